// The types of WebSockets in apps, and the globals that a VM has beside Node's. Nothing here runs. They are added to those of
// lib.dom or @types/node, whichever the app is checked with, and take nothing of theirs away.

/** One half of a WebSocketPair. */
export interface ServerWebSocket extends EventTarget {
  /** 1 open, 2 closing, 3 closed. */
  readonly readyState: number;
  /** Bytes of messages that were not sent yet. */
  readonly bufferedAmount: number;
  readonly binaryType: "arraybuffer";
  /** Events come from now on; until then what the other side sends is kept. */
  accept(): void;
  send(message: string | ArrayBuffer | SharedArrayBuffer | ArrayBufferView): void;
  close(code?: number, reason?: string): void;
  addEventListener<Type extends keyof WebSocketEvents>(
    type: Type,
    listener: WebSocketListener<WebSocketEvents[Type]> | null,
    options?: AddEventListenerOptions | boolean,
  ): void;
  removeEventListener<Type extends keyof WebSocketEvents>(
    type: Type,
    listener: WebSocketListener<WebSocketEvents[Type]> | null,
    options?: AddEventListenerOptions | boolean,
  ): void;
  onmessage: ((event: WebSocketEvents["message"]) => unknown) | null;
  onclose: ((event: WebSocketEvents["close"]) => unknown) | null;
  onerror: ((event: WebSocketEvents["error"]) => unknown) | null;
}

export interface WebSocketEvents {
  readonly message: Event & { readonly data: string | ArrayBuffer };
  readonly close: Event & { readonly code: number; readonly reason: string; readonly wasClean: boolean };
  readonly error: Event & { readonly message: string; readonly error: Error };
}

type WebSocketListener<Heard extends Event> =
  | ((event: Heard) => unknown)
  | { handleEvent(event: Heard): unknown };

declare global {
  /** Two ends of one WebSocket: `const { 0: client, 1: server } = new WebSocketPair()`. */
  interface WebSocketPair extends Iterable<ServerWebSocket> {
    /** For the client: `new Response(null, { status: 101, webSocket: client })`. */
    readonly 0: ServerWebSocket;
    /** For the app. */
    readonly 1: ServerWebSocket;
  }
  var WebSocketPair: { new (): WebSocketPair; readonly prototype: WebSocketPair };

  interface ResponseInit {
    /** Of a WebSocketPair, with status 101. */
    readonly webSocket?: ServerWebSocket | null;
  }
}

// With @types/node the constructor of Response takes this one; it is not there for who has lib.dom alone.
// biome-ignore lint/suspicious/noTsIgnore: an error is expected only where there is no such package
/** @ts-ignore */
declare module "undici-types" {
  interface ResponseInit {
    /** Of a WebSocketPair, with status 101. */
    readonly webSocket?: ServerWebSocket | null;
  }
}
