// Two connections that left HTTP after a 101: bytes both ways, each side at the pace of the other, until both ended.

import { Timed } from "../../core/deadlines.ts";
import { GatewayError } from "../../core/errors.ts";
import type { Exchange, TunnelEnd, TunnelSocket } from "../../core/exchange.ts";
import { Counter } from "../../core/metrics.ts";
import type { ThreadContext } from "../thread-context.ts";

export interface TunnelEnds {
  readonly client: TunnelEnd;
  readonly backend: TunnelEnd;
  /** The tunnel is closed when nothing went either way for so long. */
  readonly idleMs: number;
}

export function startTunnel(thread: ThreadContext, exchange: Exchange, ends: TunnelEnds): void {
  new Tunnel(thread, exchange, ends).start();
}

/** How long an end may take to close after the other one did. */
const CLOSE_TIMEOUT_MS = 2000;

class Tunnel extends Timed {
  readonly #thread: ThreadContext;
  readonly #exchange: Exchange;
  readonly #ends: TunnelEnds;
  /** One end has closed. */
  #closing = false;
  #closed = false;

  constructor(thread: ThreadContext, exchange: Exchange, ends: TunnelEnds) {
    super();
    this.#thread = thread;
    this.#exchange = exchange;
    this.#ends = ends;
  }

  start(): void {
    const client = this.#ends.client.socket;
    const backend = this.#ends.backend.socket;
    this.#thread.metrics.add(Counter.tunnelsOpen);
    this.#thread.deadlines.set(this, this.#ends.idleMs);
    this.#connect(this.#ends.client, backend, (bytes) => {
      this.#exchange.bytesIn += bytes;
    });
    this.#connect(this.#ends.backend, client, (bytes) => {
      this.#exchange.bytesOut += bytes;
    });
    if (this.#ends.client.early !== null) backend.write(this.#ends.client.early);
    if (this.#ends.backend.early !== null) client.write(this.#ends.backend.early);
    client.resume();
    backend.resume();
  }

  override onDeadline(): void {
    if (!this.#closing) {
      this.#exchange.error = new GatewayError("tunnel_idle", "nothing went through the tunnel in time");
    }
    this.#close();
  }

  #connect(end: TunnelEnd, to: TunnelSocket, count: (bytes: number) => void): void {
    const from = end.socket;
    let ended = false;
    end.receive((chunk) => {
      if (this.#closing) return;
      count(chunk.length);
      this.#thread.deadlines.set(this, this.#ends.idleMs);
      const { sendBuffer } = this.#thread;
      const flows = to.write(sendBuffer.copy(chunk));
      sendBuffer.sent(to);
      if (!flows) from.pause();
    });
    to.on("drain", () => from.resume());
    from.on("end", () => {
      ended = true;
      to.end();
    });
    from.on("close", () => {
      // After a reset, what is left for the other end is cut off, as it was for this one.
      if (!ended || this.#closing) this.#close();
      else this.#flush(to);
    });
  }

  /** Gives an end its last bytes, and reads on what it still sends, so that no reset overtakes them. */
  #flush(to: TunnelSocket): void {
    this.#closing = true;
    to.resume();
    to.end(() => {
      if (!this.#closed) this.#thread.deadlines.set(this, CLOSE_TIMEOUT_MS);
    });
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#thread.deadlines.remove(this);
    this.#thread.metrics.add(Counter.tunnelsOpen, -1);
    this.#ends.client.socket.destroy();
    this.#ends.backend.socket.destroy();
    this.#exchange.client.finishTunnel();
  }
}
