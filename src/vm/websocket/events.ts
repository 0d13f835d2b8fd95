// The events of a WebSocket, in the shape of the web's. Those of Node would bring undici with them: 19 MB and 50 ms for a
// VM that needs nothing else of it. VM processes.

class SocketMessageEvent extends Event {
  /** A string, or an ArrayBuffer. */
  readonly data: string | ArrayBuffer;
  readonly origin = "";
  readonly lastEventId = "";

  constructor(data: string | ArrayBuffer) {
    super("message");
    this.data = data;
  }
}

class SocketCloseEvent extends Event {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;

  constructor({ code, reason, wasClean }: Closing) {
    super("close");
    this.code = code;
    this.reason = reason;
    this.wasClean = wasClean;
  }
}

class SocketErrorEvent extends Event {
  readonly message: string;
  readonly error: Error;

  constructor(message: string) {
    super("error");
    this.message = message;
    this.error = new Error(message);
  }
}

/** How a WebSocket ended. */
export interface Closing {
  readonly code: number;
  readonly reason: string;
  /** Both sides sent a close frame. */
  readonly wasClean: boolean;
  /** What the connection was ended for; null where it was closed, or the other side is just gone. */
  readonly error: string | null;
}

export function messageEvent(data: string | Uint8Array<ArrayBuffer>): Event {
  return new SocketMessageEvent(typeof data === "string" ? data : data.buffer);
}

export function closeEvent(closing: Closing): Event {
  return new SocketCloseEvent(closing);
}

export function errorEvent(message: string): Event {
  return new SocketErrorEvent(message);
}
