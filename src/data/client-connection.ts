// A client's connection, whatever is spoken on it: its socket and its one deadline, who is at the other end, and how it
// is closed. Runs in data threads.
//
//   [PROXY protocol header] ─▶ the protocol (http1/server.ts) ─▶ closing ─▶ closed

import type { Socket } from "node:net";
import { Timed } from "../core/deadlines.ts";
import type { TunnelEnd } from "../core/exchange.ts";
import { type ConnectionEnds, plainAddress } from "../core/ip.ts";
import { Counter } from "../core/metrics.ts";
import { FAILED, NEED_MORE } from "./http1/head-parser.ts";
import { SMALL_BODY_BYTES } from "./http1/writer.ts";
import { ProxyHeaderReader } from "./proxy-protocol.ts";
import { admitClient, refuse, TOO_MANY_OF_CLIENT } from "./refusal.ts";
import { type AcceptedHandle, acceptSocket, type Receive } from "./socket.ts";
import type { ThreadContext } from "./thread-context.ts";

/** What the deadline of a connection is about; a protocol adds its own, from 2 on. */
const WAIT_PROXY_HEADER = 0;
const WAIT_CLOSE = 1;

/** How long a client may take to close its side after the last answer. */
const CLOSE_TIMEOUT_MS = 2000;

export abstract class ClientConnection extends Timed {
  protected readonly socket: Socket;
  protected readonly thread: ThreadContext;
  /** Gets what comes in place of `received`: before the protocol begins, or when it was left. */
  protected diverted: Receive | null = null;
  protected waitingFor = WAIT_CLOSE;
  /** Bytes that were still to be written at the last look of the deadline. */
  #unsent = 0;
  /** While it is being read. */
  #proxyHeader: ProxyHeaderReader | null = null;
  /** As a PROXY protocol header named them, or null. */
  #namedEnds: ConnectionEnds | null = null;
  #peerAddress: string | null;
  /** It is one of those of its client in `thread.clients`. */
  #counted: boolean;

  /** `counted` is the address under which the listener counted it, or null. */
  constructor(
    accepted: AcceptedHandle,
    thread: ThreadContext,
    proxyProtocol: boolean,
    counted: string | null,
  ) {
    super();
    const socket = acceptSocket(accepted, thread.readBuffer, {
      receive: (chunk) => this.received(chunk),
      failed: (bug) => this.failed(bug),
    });
    socket.on("end", () => this.#ended());
    socket.on("drain", () => this.drained());
    // "close" follows, and says all there is to say.
    socket.on("error", noop);
    socket.on("close", () => this.#closed());
    this.socket = socket;
    this.thread = thread;
    this.#peerAddress = counted;
    this.#counted = counted !== null;
    if (proxyProtocol) {
      this.#proxyHeader = new ProxyHeaderReader();
      this.diverted = (chunk) => this.#readProxyHeader(chunk);
      this.wait(WAIT_PROXY_HEADER, thread.active.server.readTimeoutMs);
    }
  }

  /** Passes `chunk` on to `diverted` where that is set. */
  protected abstract received(chunk: Buffer): void;
  /** Called when a PROXY protocol header was read: what comes now is the protocol's. */
  protected abstract begin(): void;
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

  /** One write for a small piece, one gathered write for a large one; with text before and behind it. */
  protected writePiece(before: string, piece: Buffer, after: string): void {
    const { socket, thread } = this;
    if (piece.length <= SMALL_BODY_BYTES) {
      socket.write(before + piece.toString("latin1") + after, "latin1");
      return;
    }
    socket.cork();
    if (before !== "") socket.write(before, "latin1");
    socket.write(thread.sendBuffer.copy(piece));
    if (after !== "") socket.write(after, "latin1");
    socket.uncork();
    thread.sendBuffer.sent(socket);
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

  // ---- PROXY protocol ----

  #readProxyHeader(chunk: Buffer): void {
    const header = this.#proxyHeader!;
    const end = header.feed(chunk);
    if (end === NEED_MORE) return;
    if (end === FAILED) {
      this.#refuseProxyHeader(header.fault);
      return;
    }
    this.#proxyHeader = null;
    this.diverted = null;
    this.#namedEnds = header.ends;
    if (!this.#admit()) return;
    this.begin();
    if (end < chunk.length) this.received(chunk.subarray(end));
  }

  #admit(): boolean {
    const most = this.thread.active.server.maxConnectionsPerClient;
    if (most === null) return true;
    const admission = admitClient(this.thread, this.peerAddress, most);
    this.#counted = admission === "counted";
    if (admission !== "refused") return true;
    this.diverted = noop;
    this.thread.deadlines.clear(this);
    refuse(this.socket, this.thread, TOO_MANY_OF_CLIENT);
    return false;
  }

  /** Without an answer: who sends no header may not speak HTTP either. */
  #refuseProxyHeader(fault: string): void {
    const { metrics, reporter } = this.thread;
    metrics.add(Counter.refusedProxyHeaders);
    reporter.report(
      "warn",
      "PROXY protocol headers",
      `connection closed: no PROXY protocol header: ${fault}`,
      {
        client: this.peerAddress,
      },
    );
    this.socket.destroy();
  }

  // ---- ending ----

  #ended(): void {
    const read = this.#proxyHeader?.length ?? 0;
    // A connection that ends without a byte is somebody's look whether the port is open.
    if (read > 0) this.#refuseProxyHeader(`the connection ended after ${read} bytes of it`);
    else this.clientEnded();
  }

  #closed(): void {
    this.closed();
    this.thread.deadlines.remove(this);
    if (this.#counted) this.thread.clients.release(this.thread.index, this.peerAddress);
  }

  override onDeadline(): void {
    if (this.waitingFor === WAIT_CLOSE) this.#closeStalled();
    else if (this.#proxyHeader === null) this.timedOut();
    else {
      const { readTimeoutMs } = this.thread.active.server;
      this.#refuseProxyHeader(`${this.#proxyHeader.length} bytes of it within ${readTimeoutMs} ms`);
    }
  }

  /** The last answer is out: sends FIN and discards what still comes, so that no reset overtakes the answer. */
  protected endSocket(): void {
    this.#proxyHeader = null;
    this.diverted = null;
    this.socket.end();
    if (this.socket.isPaused()) this.socket.resume();
    this.#unsent = this.socket.writableLength;
    this.wait(WAIT_CLOSE, this.#unsent > 0 ? this.thread.active.server.writeTimeoutMs : CLOSE_TIMEOUT_MS);
  }

  /** What is still being written may go on as long as it gets anywhere. */
  #closeStalled(): void {
    const unsent = this.socket.writableLength;
    if (unsent > 0 && unsent !== this.#unsent) {
      this.#unsent = unsent;
      this.wait(WAIT_CLOSE, this.thread.active.server.writeTimeoutMs);
    } else this.destroySocket();
  }

  /** With a reset where some of a response was not sent: a close could look like its end (RFC 9112 section 8). */
  protected destroySocket(): void {
    if (this.socket.writableLength > 0) this.socket.resetAndDestroy();
    else this.socket.destroy();
  }

  protected wait(reason: number, timeoutMs: number): void {
    this.waitingFor = reason;
    this.thread.deadlines.set(this, timeoutMs);
  }
}

function noop(): void {}
