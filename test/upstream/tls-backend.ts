// A backend over TLS whose every byte the test decides, and which tells what was said in the handshake. Runs in tests.

import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import { createServer, type Server, type TLSSocket, type TlsOptions } from "node:tls";
import { promisify } from "node:util";
import type { TestCertificates } from "../support/certificates.ts";
import { RawConnection } from "../support/raw.ts";

export const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

export class TlsBackend {
  /** Those whose handshake went well, in their order. */
  readonly connections: RawConnection[] = [];
  readonly sockets: TLSSocket[] = [];
  readonly #server: Server;
  /** Whatever became of their handshakes. */
  readonly #tcpSockets: Socket[] = [];

  /** `serve` is called with each new connection. */
  static async start(
    options: TlsOptions,
    serve: (connection: RawConnection, index: number) => unknown,
  ): Promise<TlsBackend> {
    const backend = new TlsBackend(options, serve);
    backend.#server.listen(0, "127.0.0.1");
    await once(backend.#server, "listening");
    return backend;
  }

  private constructor(options: TlsOptions, serve: (connection: RawConnection, index: number) => unknown) {
    this.#server = createServer({ allowHalfOpen: true, ...options }, (socket) => {
      const connection = new RawConnection(socket);
      this.sockets.push(socket);
      this.connections.push(connection);
      serve(connection, this.connections.length - 1);
    });
    this.#server.on("connection", (socket: Socket) => this.#tcpSockets.push(socket));
    this.#server.on("tlsClientError", (_error, socket) => socket.destroy());
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resolves with the connection of that index, now or when its handshake was over. */
  async connection(index: number): Promise<RawConnection> {
    while (this.connections.length <= index) await once(this.#server, "secureConnection");
    return this.connections[index]!;
  }

  /** Tickets that it gave out are worth nothing from now on. */
  forgetSessions(): void {
    this.#server.setTicketKeys(randomBytes(48));
  }

  async stop(): Promise<void> {
    for (const socket of this.#tcpSockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** A certificate like that of `server` whose time is over, for the same key. */
export async function expiredCertificate(folder: string, { ca, server }: TestCertificates): Promise<string> {
  const [request, extensions] = [join(folder, "expired.csr"), join(folder, "expired.ext")];
  const run = promisify(execFile);
  await writeFile(extensions, "subjectAltName=DNS:backend.test");
  await run("openssl", ["req", "-new", "-key", server.keyFile, "-subj", "/CN=backend.test", "-out", request]);
  const authority = ["-CA", ca.certFile, "-CAkey", ca.keyFile, "-set_serial", "1000", "-days", "-1"];
  const { stdout } = await run("openssl", [
    ...["x509", "-req", "-in", request, "-extfile", extensions],
    ...authority,
  ]);
  return stdout;
}
