// WebSockets of HTTP/2 clients (RFC 8441): the backend is asked as in HTTP/1.1, so the handshake of RFC 6455 is the
// gateway's. Runs in data threads.

import { createHash } from "node:crypto";
import type { TunnelEnd, TunnelSocket } from "../../core/exchange.ts";
import type { HeaderList } from "../../core/headers.ts";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Whether a 101 answers the key that was sent (RFC 6455 section 4.1). */
export function acceptsKey(headers: HeaderList, key: string): boolean {
  return headers.findOnly("sec-websocket-accept") === acceptOf(key);
}

/** The Sec-WebSocket-Accept that answers a key. */
export function acceptOf(key: string): string {
  return createHash("sha1")
    .update(key + GUID)
    .digest("base64");
}

/** The client's end of a tunnel that is not to be: closed before anything goes through. */
export function closedEnd(): TunnelEnd {
  return { socket: new ClosedSocket(), early: null, receive: () => {} };
}

class ClosedSocket implements TunnelSocket {
  readonly writableLength = 0;

  on(event: "end" | "drain" | "close", listener: () => void): void {
    if (event === "close") process.nextTick(listener);
  }

  write(): boolean {
    return true;
  }

  cork(): void {}

  uncork(): void {}

  end(callback?: () => void): void {
    callback?.();
  }

  destroy(): void {}

  pause(): void {}

  resume(): void {}
}
