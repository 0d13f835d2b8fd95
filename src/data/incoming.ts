// A connection before its protocol begins: its PROXY protocol header is read, and its TLS handshake made. Runs in data
// threads.
//
//   [PROXY protocol header] ─▶ [TLS handshake] ─▶ serve.ts

import type { Socket } from "node:net";
import { Timed } from "../core/deadlines.ts";
import type { ClientTls } from "../core/exchange.ts";
import { type ConnectionEnds, plainAddress } from "../core/ip.ts";
import { Counter } from "../core/metrics.ts";
import { emptyReader } from "./arrival.ts";
import { FAILED, NEED_MORE } from "./http1/head-parser.ts";
import { ProxyHeaderReader } from "./proxy-protocol.ts";
import { admitClient, refuse, TOO_MANY_OF_CLIENT } from "./refusal.ts";
import { serve } from "./serve.ts";
import { type AcceptedHandle, acceptSocket, detachHandle } from "./socket.ts";
import type { OpenConnection, ThreadContext } from "./thread-context.ts";
import { handshakeFault, PLAIN_HTTP_ANSWER, speaksHttp, wantsCertificate } from "./tls/handshake-fault.ts";
import type { TlsServer } from "./tls/server.ts";
import { TlsServerSocket } from "./tls/server-socket.ts";

/** What a listener says of the connections it accepts. */
export interface Opening {
  readonly proxyProtocol: boolean;
  readonly tls: TlsServer | null;
  /** Without TLS it may begin with HTTP/2. */
  readonly h2c: boolean;
}

export class IncomingConnection extends Timed implements OpenConnection {
  /** Among the connections of the thread. */
  place = -1;
  readonly busy = false;
  readonly #thread: ThreadContext;
  readonly #tls: TlsServer | null;
  readonly #h2c: boolean;
  readonly #reader = emptyReader();
  #socket: Socket;
  /** While it is being read. */
  #proxyHeader: ProxyHeaderReader | null = null;
  #namedEnds: ConnectionEnds | null = null;
  #peerAddress: string | null;
  #counted: boolean;
  #handshakeOver = false;

  /** `counted` is the address under which the listener counted it, or null. */
  constructor(
    accepted: AcceptedHandle,
    thread: ThreadContext,
    { proxyProtocol, tls, h2c }: Opening,
    counted: string | null,
  ) {
    super();
    this.#thread = thread;
    this.#tls = tls;
    this.#h2c = h2c;
    this.#peerAddress = counted;
    this.#counted = counted !== null;
    thread.connections.add(this);
    thread.deadlines.set(this, thread.active.server.readTimeoutMs);
    this.#reader.failed = () => this.destroy();
    if (proxyProtocol || tls === null) {
      this.#proxyHeader = new ProxyHeaderReader();
      this.#reader.receive = (chunk) => this.#readProxyHeader(chunk);
      this.#socket = this.#hear(acceptSocket(accepted, thread.readBuffer, this.#reader));
    } else this.#socket = this.#shakeHands(tls, accepted);
  }

  drain(): void {
    this.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  override onDeadline(): void {
    const { readTimeoutMs } = this.#thread.active.server;
    if (this.#proxyHeader !== null)
      this.#refuseProxyHeader(`${this.#proxyHeader.length} bytes of it within ${readTimeoutMs} ms`);
    else this.#handshakeFailed(`it was not over within ${readTimeoutMs} ms`);
  }

  /** Of who opened the connection: the client, or a proxy in front of the gateway. */
  get #peer(): string {
    this.#peerAddress ??= this.#namedEnds?.source.address ?? plainAddress(this.#socket.remoteAddress ?? "");
    return this.#peerAddress;
  }

  #hear<AnySocket extends Socket>(socket: AnySocket): AnySocket {
    return socket.on("end", this.#ended).on("error", this.#failed).on("close", this.#closed);
  }

  /** A connection that ends without a byte is somebody's look whether the port is open. */
  readonly #ended = (): void => {
    const read = this.#proxyHeader?.length ?? 0;
    if (read > 0) this.#refuseProxyHeader(`the connection ended after ${read} bytes of it`);
    else if (this.#socket instanceof TlsServerSocket && this.#socket.rawBytesRead > 0)
      this.#handshakeFailed("the client closed the connection");
    else this.destroy();
  };

  readonly #failed = (error: Error): void => {
    if (this.#socket instanceof TlsServerSocket) {
      if (speaksHttp(error)) this.#socket.sendPlain(PLAIN_HTTP_ANSWER);
      if (wantsCertificate(error)) this.#thread.metrics.add(Counter.refusedClientCertificates);
      this.#handshakeFailed(handshakeFault(error));
    }
    this.destroy();
  };

  readonly #closed = (): void => {
    const thread = this.#thread;
    thread.deadlines.remove(this);
    if (this.#counted) thread.clients.release(thread.index, this.#peer);
    thread.releaseConnection(this);
  };

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
    this.#namedEnds = header.ends;
    if (!this.#admit()) return;
    const rest = chunk.subarray(end);
    if (this.#tls === null) {
      this.#goOn(null);
      if (rest.length > 0) this.#reader.receive(rest);
      return;
    }
    const handle = detachHandle(this.#socket);
    if (handle === null) return;
    const socket = this.#shakeHands(this.#tls, handle);
    this.#socket = socket;
    if (rest.length > 0) socket.receiveEarly(rest);
  }

  #admit(): boolean {
    const most = this.#thread.active.server.maxConnectionsPerClient;
    if (most === null) return true;
    const admission = admitClient(this.#thread, this.#peer, most);
    this.#counted = admission === "counted";
    if (admission !== "refused") return true;
    this.#reader.receive = () => {};
    this.#thread.deadlines.clear(this);
    if (this.#tls === null) refuse(this.#socket, this.#thread, TOO_MANY_OF_CLIENT);
    else this.destroy();
    return false;
  }

  /** Without an answer: who sends no header may not speak HTTP either. */
  #refuseProxyHeader(fault: string): void {
    const { metrics, reporter } = this.#thread;
    metrics.add(Counter.refusedProxyHeaders);
    const message = `connection closed: no PROXY protocol header: ${fault}`;
    reporter.report("warn", "PROXY protocol headers", message, { client: this.#peer });
    this.destroy();
  }

  // ---- TLS ----

  #shakeHands(tls: TlsServer, accepted: AcceptedHandle): TlsServerSocket {
    const socket = this.#hear(tls.accept(accepted, this.#thread.readBuffer, this.#reader));
    socket.once("secure", () => this.#secured(tls, socket));
    return socket;
  }

  #secured(tls: TlsServer, socket: TlsServerSocket): void {
    const client = tls.clientOf(socket);
    if (typeof client === "string") {
      this.#thread.metrics.add(Counter.refusedClientCertificates);
      this.#handshakeFailed(client);
      return;
    }
    this.#thread.metrics.add(Counter.tlsHandshakes);
    if (socket.isSessionReused()) this.#thread.metrics.add(Counter.tlsResumptions);
    socket.handshakeAccepted();
    this.#handshakeOver = true;
    this.#goOn(client);
  }

  #handshakeFailed(fault: string): void {
    if (this.#handshakeOver) return;
    this.#handshakeOver = true;
    const { metrics, reporter } = this.#thread;
    metrics.add(Counter.failedHandshakes);
    // A kind of its own for each fault: a flood of one leaves room for the others.
    const kind = `failed TLS handshakes (${fault})`;
    reporter.report("warn", kind, `TLS handshake failed: ${fault}`, { client: this.#peer });
    this.destroy();
  }

  // ---- the protocol ----

  #goOn(tls: ClientTls | null): void {
    const thread = this.#thread;
    const socket = this.#socket;
    thread.deadlines.remove(this);
    socket.off("end", this.#ended).off("error", this.#failed).off("close", this.#closed);
    const arrival = {
      socket,
      reader: this.#reader,
      namedEnds: this.#namedEnds,
      peerAddress: this.#peerAddress,
      counted: this.#counted,
      tls,
    };
    serve(arrival, thread, this.#h2c);
    thread.connections.delete(this);
  }
}
