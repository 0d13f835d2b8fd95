// One half of a WebSocketPair, as apps use it: the WebSocket of Cloudflare Workers. VM processes.

import { bytesOf, needCloseCode, needReason } from "./arguments.ts";
import { Half } from "./half.ts";

type Listener = EventListener | EventListenerObject;

/** A listener that throws, or whose promise is rejected, is one message's misfortune: it is reported, and the VM goes on. */
const guards = new WeakMap<object, EventListener>();

const NO_CODE = 1005;
const NO_CLOSE_FRAME = 1006;

/** What apps cannot get at; null for what is no half of a pair. */
let halfOf: (value: object) => Half | null;

export class PairedWebSocket extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readonly #half = new Half(this);
  #handlers: Map<string, EventListener> | null = null;

  static {
    halfOf = (value) => (#half in value ? value.#half : null);
  }

  static pair(): [PairedWebSocket, PairedWebSocket] {
    const [one, other] = [new PairedWebSocket(), new PairedWebSocket()];
    Half.couple(one.#half, other.#half);
    return [one, other];
  }

  private constructor() {
    super();
  }

  /** Events come from now on; until then what the other side sends is kept. */
  accept(): void {
    this.#half.accept();
  }

  /** Throws TypeError after `close`; does nothing after the other side has closed. */
  send(message: unknown): void {
    this.#half.send(typeof message === "string" ? message : bytesOf(message));
  }

  close(code: unknown = undefined, reason: unknown = undefined): void {
    if (code === undefined) {
      if (reason !== undefined) throw new TypeError("Cannot close a WebSocket with a reason and no code");
      this.#half.close(NO_CODE, "");
    } else this.#half.close(needCloseCode(code), needReason(reason));
  }

  get readyState(): number {
    return this.#half.readyState;
  }

  /** Bytes of messages that were not sent yet: past `websocket.queue` the connection is closed with 1013. */
  get bufferedAmount(): number {
    return this.#half.bufferedBytes;
  }

  get binaryType(): "arraybuffer" {
    return "arraybuffer";
  }

  override addEventListener(
    type: string,
    listener: Listener | null,
    options?: AddEventListenerOptions | boolean,
  ): void {
    if (listener !== null) super.addEventListener(type, guarded(listener), options);
  }

  override removeEventListener(
    type: string,
    listener: Listener | null,
    options?: EventListenerOptions | boolean,
  ): void {
    if (listener !== null) super.removeEventListener(type, guarded(listener), options);
  }

  get onmessage(): EventListener | null {
    return this.#handlers?.get("message") ?? null;
  }

  set onmessage(handler: EventListener | null) {
    this.#handle("message", handler);
  }

  get onclose(): EventListener | null {
    return this.#handlers?.get("close") ?? null;
  }

  set onclose(handler: EventListener | null) {
    this.#handle("close", handler);
  }

  get onerror(): EventListener | null {
    return this.#handlers?.get("error") ?? null;
  }

  set onerror(handler: EventListener | null) {
    this.#handle("error", handler);
  }

  #handle(type: string, handler: EventListener | null): void {
    this.#handlers ??= new Map();
    const before = this.#handlers.get(type);
    if (before !== undefined) this.removeEventListener(type, before);
    this.#handlers.delete(type);
    if (typeof handler !== "function") return;
    this.#handlers.set(type, handler);
    this.addEventListener(type, handler);
  }
}

Object.defineProperty(PairedWebSocket, "name", { value: "WebSocket" });

/** What is behind the `webSocket` of a response. Returns what is wrong with it as text. */
export function freshHalf(webSocket: object): Half | string {
  const half = halfOf(webSocket);
  if (half === null) return "the webSocket of the response is none of a WebSocketPair";
  if (half.isFresh) return half;
  return half.isAccepted
    ? "the webSocket of the response was accepted by the app: expected the other half of the pair"
    : "the webSocket of the response was in another response already";
}

/** The client of a response is gone before it got it: the app's half of its WebSocket, if any, hears of that. */
export function loseWebSocket({ webSocket }: Response & { readonly webSocket?: object | null }): void {
  const half = webSocket === null || webSocket === undefined ? null : halfOf(webSocket);
  if (half?.isFresh !== true) return;
  half.other.receiveSoon({
    code: NO_CLOSE_FRAME,
    reason: "the client went away",
    wasClean: false,
    error: null,
  });
}

function guarded(listener: Listener): EventListener {
  let guard = guards.get(listener);
  if (guard !== undefined) return guard;
  guard = function (this: unknown, event: Event): void {
    try {
      const result: unknown =
        typeof listener === "function" ? listener.call(this, event) : listener.handleEvent(event);
      if (typeof (result as PromiseLike<unknown> | null | undefined)?.then === "function")
        (result as PromiseLike<unknown>).then(undefined, report);
    } catch (error) {
      report(error);
    }
  };
  guards.set(listener, guard);
  return guard;
}

function report(error: unknown): void {
  console.error(error);
}
