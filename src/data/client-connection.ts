// A client's connection, whatever is spoken on it: its socket and its one deadline, who is at the other end, and how it
// is closed. Runs in data threads.
//
//   [PROXY protocol header, TLS handshake (incoming.ts)] ─▶ the protocol (http1/server.ts) ─▶ closing ─▶ closed

import type { Socket } from "node:net";
import { Timed } from "../core/deadlines.ts";
import type { ClientTls, TunnelEnd } from "../core/exchange.ts";
import { type ConnectionEnds, plainAddress } from "../core/ip.ts";
import type { Arrival } from "./arrival.ts";
import { type Receive, unsentBytes } from "./socket.ts";
import type { ThreadContext } from "./thread-context.ts";

/** What the deadline of a connection is about; a protocol adds its own, from 2 on. */
const WAIT_CLOSE = 1;

/** How long a client may take to close its side after the last answer. */
const CLOSE_TIMEOUT_MS = 2000;

export abstract class ClientConnection extends Timed {
  /** Among the connections of its thread. */
  place = -1;
  protected readonly socket: Socket;
  readonly thread: ThreadContext;
  /** Null on a plain connection. */
  readonly tls: ClientTls | null;
  /** Gets what comes in place of `received`, when the protocol was left. */
  protected diverted: Receive | null = null;
  protected waitingFor = WAIT_CLOSE;
  /** Bytes that were still to be written at the last look of the deadline. */
  #unsent = 0;
  readonly #namedEnds: ConnectionEnds | null;
  #peerAddress: string | null;
  readonly #counted: boolean;

  constructor(arrival: Arrival, thread: ThreadContext) {
    super();
    const { socket, reader } = arrival;
    reader.receive = (chunk) => this.received(chunk);
    reader.failed = (bug) => this.failed(bug);
    socket.on("end", () => this.clientEnded());
    socket.on("drain", () => this.drained());
    // "close" follows, and says all there is to say. An error of TLS does not close the socket by itself.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#closed());
    this.socket = socket;
    this.thread = thread;
    this.tls = arrival.tls;
    this.#namedEnds = arrival.namedEnds;
    this.#peerAddress = arrival.peerAddress;
    this.#counted = arrival.counted;
  }

  /** Passes `chunk` on to `diverted` where that is set. */
  protected abstract received(chunk: Buffer): void;
  /** `received` threw. */
  protected abstract failed(bug: unknown): void;
  /** The client closed its sending side. */
  protected abstract clientEnded(): void;
  /** The client took what was written. */
  protected abstract drained(): void;
  /** The socket is gone. */
  protected abstract closed(): void;
  /** A deadline of the protocol passed. */
  protected abstract timedOut(): void;

  /** Of who opened the connection: the client, or a proxy in front of the gateway. */
  protected get peerAddress(): string {
    this.#peerAddress ??= this.#namedEnds?.source.address ?? plainAddress(this.socket.remoteAddress ?? "");
    return this.#peerAddress;
  }

  /** As a PROXY protocol header named them, else those of the socket. */
  get ends(): ConnectionEnds {
    const { remoteAddress, remotePort, localAddress, localPort } = this.socket;
    return (
      this.#namedEnds ?? {
        source: { address: plainAddress(remoteAddress ?? ""), port: remotePort ?? 0 },
        destination: { address: plainAddress(localAddress ?? ""), port: localPort ?? 0 },
      }
    );
  }

  /** Gives the connection, which arrived so, to whoever goes on with it. */
  protected leave(arrival: Arrival): Arrival {
    this.thread.deadlines.remove(this);
    for (const event of ["end", "drain", "error", "close"]) this.socket.removeAllListeners(event);
    return { ...arrival, peerAddress: this.#peerAddress };
  }

  /** Gives the connection to a tunnel, which hears of its end by itself. `early` was read too soon. */
  protected handOver(early: Buffer | null): TunnelEnd {
    const { socket } = this;
    this.thread.deadlines.clear(this);
    socket.removeAllListeners("end").removeAllListeners("drain");
    const receive = (listener: Receive) => {
      this.diverted = listener;
    };
    return { socket, early, receive };
  }

  // ---- ending ----

  #closed(): void {
    this.closed();
    this.thread.deadlines.remove(this);
    if (this.#counted) this.thread.clients.release(this.thread.index, this.peerAddress);
  }

  override onDeadline(): void {
    if (this.waitingFor === WAIT_CLOSE) this.#closeStalled();
    else this.timedOut();
  }

  /** The last answer is out: sends FIN and discards what still comes, so that no reset overtakes the answer. */
  protected endSocket(): void {
    this.diverted = null;
    this.socket.end();
    if (this.socket.isPaused()) this.socket.resume();
    this.#unsent = unsentBytes(this.socket);
    this.wait(WAIT_CLOSE, this.#unsent > 0 ? this.thread.active.server.writeTimeoutMs : CLOSE_TIMEOUT_MS);
  }

  /** What is still being written may go on as long as it gets anywhere. */
  #closeStalled(): void {
    if (unsentBytes(this.socket) > 0 && this.tookSome()) {
      this.wait(WAIT_CLOSE, this.thread.active.server.writeTimeoutMs);
    } else this.destroySocket();
  }

  /** Whether the client took some of what was written since it was last asked, or since `endSocket`. */
  protected tookSome(): boolean {
    const before = this.#unsent;
    this.#unsent = unsentBytes(this.socket);
    return this.#unsent !== before;
  }

  /** With a reset where some of a response was not sent: a close could look like its end (RFC 9112 section 8). */
  protected destroySocket(): void {
    if (unsentBytes(this.socket) > 0) this.socket.resetAndDestroy();
    else this.socket.destroy();
  }

  protected wait(reason: number, timeoutMs: number): void {
    this.waitingFor = reason;
    this.thread.deadlines.set(this, timeoutMs);
  }
}
