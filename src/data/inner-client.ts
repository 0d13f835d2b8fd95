// The client's side of an exchange that the gateway makes itself: what a policy asks an upstream in the name of a client.
// It goes the way of any other exchange, from an action on, with its retries and its upstream's numbers. It is none of a
// client, so it is in no access log and in no count of requests. Runs in data threads.

import { clockMs } from "../core/clock.ts";
import { Timed } from "../core/deadlines.ts";
import { GatewayError } from "../core/errors.ts";
import {
  type ClientStream,
  type ClientTls,
  Exchange,
  type RequestHead,
  type ResponseHead,
  type TunnelEnd,
} from "../core/exchange.ts";
import type { HeaderList } from "../core/headers.ts";
import type { ConnectionEnds } from "../core/ip.ts";
import type { StartAction } from "./actions/route.ts";
import type { Asker } from "./apps/asker.ts";
import { FRAME_NONE, framingOf } from "./http1/writer.ts";
import { failExchange } from "./pipeline.ts";
import type { ThreadContext } from "./thread-context.ts";

/**
 * Who asked. It hears of a head, of pieces of a body and of the end, or at any point of the failure; after one of the last
 * two, or after `abort`, nothing more. It may hear of all that during `InnerClient.start`.
 */
export interface InnerUser {
  onHead(head: ResponseHead): void;
  /** A piece, never empty, valid during the call only. Returns false to slow the upstream down, until `drained`. */
  onBody(chunk: Buffer): boolean;
  onEnd(trailers: HeaderList | null): void;
  /** No answer of the upstream, or only a part of one. What is wrong is also `exchange.error`. */
  onFailed(error: GatewayError): void;
  /** In place of the three: the whole response, where that is at hand. The body is valid during the call only. */
  onWhole?(head: ResponseHead, body: Buffer | null): void;
  /** The action takes the body of the request from now on, if it has one. See `giveBody`. */
  onBodyWanted?(): void;
}

export class InnerClient extends Timed implements ClientStream {
  readonly exchange: Exchange;
  readonly ends: ConnectionEnds;
  readonly tls: ClientTls | null;
  /** The action takes pieces of the request body now. */
  bodyWanted = false;
  readonly #thread: ThreadContext;
  readonly #user: InnerUser;
  #timeoutMs = 0;

  /**
   * `request` is what the upstream is to be asked, for the client of `outer`. The way of the exchange takes fields out of
   * its headers: they must be none that anybody else has. Nothing of `outer` is used later.
   */
  constructor(thread: ThreadContext, outer: Asker, request: RequestHead, user: InnerUser) {
    super();
    this.ends = outer.client.ends;
    this.tls = outer.client.tls;
    this.#thread = thread;
    this.#user = user;
    const exchange = new Exchange(request, this, outer.peerAddress, clockMs());
    exchange.peerTrusted = outer.peerTrusted;
    exchange.clientAddress = outer.clientAddress;
    exchange.scheme = outer.scheme;
    exchange.user = outer.user;
    exchange.personal = outer.personal;
    exchange.route = outer.route;
    exchange.forwarded = outer.forwarded;
    this.exchange = exchange;
  }

  /** Begins. The whole exchange may take so long, to the end of the response; null for as long as it goes on. */
  start(action: StartAction, timeoutMs: number | null): void {
    if (timeoutMs !== null) {
      this.#timeoutMs = timeoutMs;
      this.#thread.deadlines.set(this, timeoutMs);
    }
    try {
      action(this.exchange);
    } catch (bug) {
      failExchange(this.exchange, new GatewayError("internal", "an error in the gateway itself", bug));
    }
  }

  /** Nobody waits for the answer any more. */
  abort(error: GatewayError): void {
    const { exchange } = this;
    if (exchange.finished) return;
    const { action } = exchange;
    exchange.action = null;
    exchange.error ??= error;
    exchange.cut = exchange.status !== 0;
    this.#finish();
    action?.onAborted(error);
  }

  /** More of the body can be taken, after `onBody` returned false. */
  drained(): void {
    const { exchange } = this;
    (exchange.transform ?? exchange.action)?.onClientDrain();
  }

  /** A piece of the request body, while `bodyWanted`. */
  giveBody(chunk: Buffer): void {
    this.exchange.bytesIn += chunk.length;
    this.exchange.action?.onRequestBody(chunk);
  }

  endBody(trailers: HeaderList | null): void {
    this.exchange.action?.onRequestEnd(trailers);
  }

  override onDeadline(): void {
    const error = new GatewayError("response_timeout", `no whole response within ${this.#timeoutMs} ms`);
    this.abort(error);
    this.#user.onFailed(error);
  }

  // ---- ClientStream ----

  resumeBody(): void {
    this.bodyWanted = true;
    this.#user.onBodyWanted?.();
  }

  pauseBody(): void {
    this.bodyWanted = false;
  }

  sendInformational(): void {}

  sendHead(head: ResponseHead, body: Buffer | null, last: boolean): boolean {
    const { exchange } = this;
    if (exchange.finished) return true;
    exchange.status = head.status;
    if (exchange.error !== null) {
      // What the gateway would tell a client is of no use to one that knows what happened.
      this.cut();
      return true;
    }
    const isBodyless = framingOf(head, exchange.request.method, exchange.request.protocol) === FRAME_NONE;
    if (last && this.#user.onWhole !== undefined) {
      this.#finish();
      this.#user.onWhole(head, isBodyless ? null : body);
      return true;
    }
    this.#user.onHead(head);
    const flows = body === null || isBodyless || this.sendBody(body);
    if (last) this.sendEnd(null);
    return flows || exchange.finished;
  }

  sendBody(chunk: Buffer): boolean {
    const { exchange } = this;
    if (exchange.finished) return true;
    exchange.bytesOut += chunk.length;
    return this.#user.onBody(chunk) || exchange.finished;
  }

  sendEnd(trailers: HeaderList | null): void {
    if (this.exchange.finished) return;
    this.#finish();
    this.#user.onEnd(trailers);
  }

  cut(): void {
    if (this.exchange.finished) return;
    this.#finish();
    this.#user.onFailed(this.exchange.error ?? new GatewayError("internal", "the response was cut"));
  }

  /** Never comes: an inner exchange offers no protocol. */
  switchProtocols(_head: ResponseHead, protocol: string): TunnelEnd {
    throw new Error(`an inner exchange cannot go over to ${protocol}`);
  }

  finishTunnel(): void {}

  finished(): void {}

  #finish(): void {
    this.#thread.deadlines.remove(this);
    this.exchange.finished = true;
    this.exchange.client.finished();
  }
}
