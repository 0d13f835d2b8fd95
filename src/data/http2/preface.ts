// The first bytes of a plain connection that may speak HTTP/2: the preface of a client that knows so beforehand (RFC 9113
// sections 3.3 and 3.4), or a request of HTTP/1. Runs in data threads.

import type { GatewayError } from "../../core/errors.ts";
import type { Arrival } from "../arrival.ts";
import { ClientConnection } from "../client-connection.ts";
import { serveConnection } from "../http1/server.ts";
import type { ThreadContext } from "../thread-context.ts";
import { serveHttp2 } from "./connection.ts";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** What the deadline is about. */
const WAIT_PREFACE = 2;

export function awaitPreface(arrival: Arrival, thread: ThreadContext): void {
  thread.connections.add(new UndecidedConnection(arrival, thread));
}

class UndecidedConnection extends ClientConnection {
  readonly busy = false;
  readonly #arrival: Arrival;
  #matched = 0;

  constructor(arrival: Arrival, thread: ThreadContext) {
    super(arrival, thread);
    this.#arrival = arrival;
    this.wait(WAIT_PREFACE, thread.active.server.readTimeoutMs);
  }

  drain(): void {
    this.endSocket();
  }

  destroy(_error: GatewayError): void {
    this.socket.destroy();
  }

  protected override received(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && this.#matched < PREFACE.length && chunk[at] === PREFACE[this.#matched]) {
      at++;
      this.#matched++;
    }
    const isHttp2 = this.#matched === PREFACE.length;
    if (!isHttp2 && at === chunk.length) return;
    const { thread } = this;
    // What was matched before is the same in every connection.
    const early = Buffer.concat([PREFACE.subarray(0, this.#matched - at), chunk]);
    const arrival = this.leave(this.#arrival);
    if (isHttp2) serveHttp2(arrival, thread, early);
    else {
      serveConnection(arrival, thread);
      arrival.reader.receive(early);
    }
    thread.connections.delete(this);
  }

  protected override failed(): void {
    this.socket.destroy();
  }

  protected override clientEnded(): void {
    this.socket.destroy();
  }

  protected override drained(): void {}

  protected override closed(): void {
    this.thread.releaseConnection(this);
  }

  protected override timedOut(): void {
    this.socket.destroy();
  }
}
