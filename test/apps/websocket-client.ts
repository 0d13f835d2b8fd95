// Clients of WebSockets for tests: `ws`, and bare frames over a socket.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { type ClientOptions, WebSocket } from "ws";

const ENTRY = fileURLToPath(new URL("websocket-handler.ts", import.meta.url));

/** A configuration: `app` is the inside of the app, `route` that of its route, as YAML flow. */
export function webSocketApp(app = "", route = ""): string {
  return `apps: { sockets: { entry: ${ENTRY}, ${app} } }\nrouting: { all: { app: sockets, ${route} } }\n`;
}

/** An open WebSocket. */
export async function open(
  port: number,
  path: string,
  protocols: string[] = [],
  options: ClientOptions = {},
): Promise<Client> {
  const client = new Client(`ws://127.0.0.1:${port}${path}`, protocols, options);
  await once(client, "open");
  return client;
}

/** Keeps what comes, so that nothing that comes early is missed. */
export class Client extends WebSocket {
  readonly received: (string | Buffer)[] = [];
  /** Resolves when the connection is closed. */
  readonly ended: Promise<{ readonly code: number; readonly reason: string }>;
  #onMessage: (() => void) | null = null;

  constructor(url: string, protocols: string[], options: ClientOptions) {
    super(url, protocols, { perMessageDeflate: false, ...options });
    this.on("message", (data: Buffer, isBinary) => {
      this.received.push(isBinary ? data : data.toString());
      this.#onMessage?.();
    });
    this.on("error", () => {});
    this.ended = once(this, "close").then(([code, reason]) => ({ code, reason: String(reason) }));
  }

  /** The next message; rejects when the connection closes before. */
  async next(): Promise<string | Buffer> {
    while (this.received.length === 0) {
      const came = new Promise<null>((resolve) => {
        this.#onMessage = () => resolve(null);
      });
      const closed = await Promise.race([came, this.ended]);
      if (closed !== null && this.received.length === 0)
        throw new Error(`closed with ${closed.code} "${closed.reason}"`);
    }
    return this.received.shift()!;
  }
}

/** Of a request that is answered by something else than a WebSocket. */
export async function refused(
  port: number,
  path: string,
  protocols: string[] = [],
): Promise<{ readonly status: number; readonly body: string }> {
  const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols);
  const [, response] = await once(client, "unexpected-response");
  let body = "";
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode, body };
}

export interface Frame {
  readonly fin: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
}

export interface FrameOptions {
  readonly fin?: boolean;
  /** The first byte's bits for extensions. */
  readonly rsv?: number;
  readonly masked?: boolean;
  /** What the frame says of its length, where that is not true. */
  readonly length?: number;
}

/** The bytes of a frame. */
export function frameOf(opcode: number, payload: Buffer | string, options: FrameOptions = {}): Buffer {
  const { fin = true, rsv = 0, masked = true } = options;
  const data = typeof payload === "string" ? Buffer.from(payload) : payload;
  const length = options.length ?? data.length;
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  const bit = masked ? 0x80 : 0;
  let head = Buffer.from([first, bit | length]);
  if (length > 65_535) {
    head = Buffer.alloc(10);
    head.set([first, bit | 127]);
    head.writeBigUInt64BE(BigInt(length), 2);
  } else if (length > 125) head = Buffer.from([first, bit | 126, length >> 8, length & 0xff]);
  if (!masked) return Buffer.concat([head, data]);
  const mask = randomBytes(4);
  return Buffer.concat([head, mask, data.map((byte, i) => byte ^ mask[i % 4]!)]);
}

/** A connection with bare frames. */
export class RawWebSocket {
  readonly socket: Socket;
  /** Resolves with all frames when the gateway has ended the connection. */
  readonly ended: Promise<Frame[]>;
  readonly #frames: Frame[] = [];
  #bytes = Buffer.alloc(0);
  /** Of the response. */
  #head: string | null = null;
  #wake: (() => void) | null = null;

  /** `more`: other lines of the request head. */
  static async open(port: number, path: string, more = ""): Promise<RawWebSocket> {
    const socket = connect(port, "127.0.0.1");
    const client = new RawWebSocket(socket);
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n${more}\r\n`,
    );
    while (client.#head === null) await client.#woken();
    return client;
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", () => {});
    socket.on("close", () => this.#wake?.());
    this.ended = once(socket, "close").then(() => this.#frames);
  }

  send(...frames: Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  async next(): Promise<Frame> {
    while (this.#frames.length === 0) {
      if (this.socket.destroyed) throw new Error("the connection is closed");
      await this.#woken();
    }
    return this.#frames.shift()!;
  }

  get head(): string {
    return this.#head ?? "";
  }

  /** The code of the close frame that comes last, or null where none comes. */
  async closeCode(): Promise<number | null> {
    const last = (await this.ended).at(-1);
    if (last?.opcode !== 8) return null;
    return last.payload.length === 0 ? 1005 : last.payload.readUInt16BE(0);
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #receive(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (this.#head === null) {
      const end = this.#bytes.indexOf("\r\n\r\n");
      if (end < 0) return;
      this.#head = this.#bytes.toString("latin1", 0, end);
      this.#bytes = this.#bytes.subarray(end + 4);
    }
    for (;;) {
      const bytes = this.#bytes;
      if (bytes.length < 2) break;
      let length = bytes[1]! & 0x7f;
      let start = 2;
      if (length === 126) {
        if (bytes.length < 4) break;
        length = bytes.readUInt16BE(2);
        start = 4;
      } else if (length === 127) {
        if (bytes.length < 10) break;
        length = Number(bytes.readBigUInt64BE(2));
        start = 10;
      }
      if (bytes.length < start + length) break;
      const payload = Buffer.from(bytes.subarray(start, start + length));
      this.#frames.push({ fin: (bytes[0]! & 0x80) !== 0, opcode: bytes[0]! & 0x0f, payload });
      this.#bytes = bytes.subarray(start + length);
    }
    this.#wake?.();
  }
}
