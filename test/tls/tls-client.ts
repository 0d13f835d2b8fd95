// A client that speaks TLS to the gateway and says exactly what a test tells it. Runs in tests.

import { once } from "node:events";
import { connect as connectPlain } from "node:net";
import type { TestContext } from "node:test";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { RawConnection } from "../support/raw.ts";

export const GET = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";

export class TlsTestClient extends RawConnection {
  declare readonly socket: TLSSocket;

  /** Resolves when the handshake is over; rejects where it fails. `before` is sent ahead of it. */
  static async open(
    t: TestContext,
    port: number,
    { before = "", ...options }: ConnectionOptions & { readonly before?: string } = {},
  ): Promise<TlsTestClient> {
    const below = connectPlain({ port, host: "127.0.0.1", noDelay: true });
    await once(below, "connect");
    if (before !== "") below.write(before, "latin1");
    const socket = connect({ socket: below, rejectUnauthorized: false, ...options });
    t.after(() => socket.destroy());
    const client = new TlsTestClient(socket);
    await once(socket, "secureConnect");
    return client;
  }

  /** Sends a request; resolves with all that came when its answer has `last`. */
  async ask(request = GET, last = "ok"): Promise<string> {
    this.take();
    this.write(request);
    return await this.until(last);
  }
}
