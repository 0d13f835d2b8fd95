// globalThis.WebSocketPair: two WebSockets, of which one is the app's and one goes to the client. VM processes.

import { PairedWebSocket } from "./web-socket.ts";

class WebSocketPair {
  /** For the client: `new Response(null, { status: 101, webSocket })`. */
  readonly 0: PairedWebSocket;
  /** For the app. */
  readonly 1: PairedWebSocket;

  constructor() {
    [this[0], this[1]] = PairedWebSocket.pair();
  }

  *[Symbol.iterator](): Generator<PairedWebSocket> {
    yield this[0];
    yield this[1];
  }
}

export function installWebSocketPair(): void {
  Object.defineProperty(globalThis, "WebSocketPair", {
    value: WebSocketPair,
    writable: true,
    enumerable: false,
    configurable: true,
  });
}
