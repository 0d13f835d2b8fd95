// A client of HTTP/2 that says exactly what a test tells it, frame by frame, and records the frames it gets. Runs in tests.

import { RawConnection } from "../support/raw.ts";

export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const Flag = {
  none: 0,
  endStream: 0x1,
  ack: 0x1,
  endHeaders: 0x4,
  padded: 0x8,
  priority: 0x20,
} as const;

export const ErrorCode = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  enhanceYourCalm: 11,
} as const;

export const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

export type Fields = ReadonlyArray<readonly [name: string, value: string]>;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** What a request needs; `more` stands behind it. */
export function request(path: string, more: Fields = [], method = "GET"): Fields {
  return [[":method", method], [":scheme", "http"], [":path", path], [":authority", "a.example"], ...more];
}

export function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK without its table: every field a literal that is not indexed (RFC 7541 section 6.2.2). */
export function fieldBlock(fields: Fields): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of fields) parts.push(Buffer.from([0]), hpackString(name), hpackString(value));
  return Buffer.concat(parts);
}

function hpackString(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  return Buffer.concat([hpackLength(bytes.length), bytes]);
}

/** An integer of seven bits (RFC 7541 section 5.1). */
function hpackLength(length: number): Buffer {
  if (length < 127) return Buffer.from([length]);
  const bytes = [127];
  let rest = length - 127;
  for (; rest >= 128; rest >>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** `[id, value]` each. */
export function settings(...pairs: ReadonlyArray<readonly [number, number]>): Buffer {
  const payload = Buffer.alloc(6 * pairs.length);
  pairs.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, 6 * i);
    payload.writeUInt32BE(value, 6 * i + 2);
  });
  return frame(FrameType.settings, Flag.none, 0, payload);
}

export class FrameClient {
  readonly connection: RawConnection;
  #read = 0;
  #nextStream = 1;
  readonly #frames: Frame[] = [];

  /** Connects, and says the preface with a SETTINGS frame. */
  static async connect(port: number, firstSettings = settings()): Promise<FrameClient> {
    const client = new FrameClient(await RawConnection.connect(port));
    client.connection.write(PREFACE);
    client.connection.write(firstSettings);
    client.send(FrameType.settings, Flag.ack, 0);
    return client;
  }

  constructor(connection: RawConnection) {
    this.connection = connection;
  }

  /** Whole frames that came so far. */
  get frames(): readonly Frame[] {
    const bytes = this.connection.received;
    while (bytes.length - this.#read >= 9) {
      const length = bytes.readUIntBE(this.#read, 3);
      if (bytes.length - this.#read < 9 + length) break;
      this.#frames.push({
        type: bytes[this.#read + 3]!,
        flags: bytes[this.#read + 4]!,
        stream: bytes.readUInt32BE(this.#read + 5),
        payload: bytes.subarray(this.#read + 9, this.#read + 9 + length),
      });
      this.#read += 9 + length;
    }
    return this.#frames;
  }

  send(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): void {
    this.connection.socket.write(frame(type, flags, stream, payload));
  }

  /** Opens a stream, and ends it unless `flags` says otherwise. */
  request(fields: Fields, flags: number = Flag.endHeaders | Flag.endStream): number {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    this.send(FrameType.headers, flags, stream, fieldBlock(fields));
    return stream;
  }

  data(stream: number, text: string, last = true): void {
    this.send(FrameType.data, last ? Flag.endStream : Flag.none, stream, Buffer.from(text, "latin1"));
  }

  reset(stream: number, code: number = ErrorCode.cancel): void {
    this.send(FrameType.rstStream, Flag.none, stream, uint32(code));
  }

  /** The first frame of a type, of a stream unless that is null, now or later. */
  async until(type: number, stream: number | null = null): Promise<Frame> {
    for (;;) {
      const found = this.frames.find(
        (one) =>
          one.type === type &&
          (stream === null || one.stream === stream) &&
          !(type === FrameType.settings && one.flags === Flag.ack),
      );
      if (found !== undefined) return found;
      await this.connection.untilBytes(this.connection.length + 1);
    }
  }

  /** How the server ended a stream: with its first HEADERS or RST_STREAM, or by ending the connection. */
  async outcome(stream: number): Promise<string> {
    for (;;) {
      for (const { type, stream: of, payload } of this.frames) {
        if (type === FrameType.goaway && payload.readUInt32BE(4) !== 0)
          return `GOAWAY ${payload.readUInt32BE(4)}`;
        if (of !== stream) continue;
        if (type === FrameType.rstStream) return `RST_STREAM ${payload.readUInt32BE(0)}`;
        if (type === FrameType.headers) return `status ${statusOf(payload)}`;
      }
      if (this.connection.ended || this.connection.closed) return "ended";
      await this.connection.untilBytes(this.connection.length + 1).catch(() => {});
    }
  }

  /** The error codes of the GOAWAY frames so far. */
  get goaways(): number[] {
    return this.frames
      .filter(({ type }) => type === FrameType.goaway)
      .map(({ payload }) => payload.readUInt32BE(4));
  }

  /** Resolves when the server has seen what was sent, or the connection ended. */
  async pinged(): Promise<void> {
    const before = this.#pongs;
    this.send(FrameType.ping, Flag.none, 0, Buffer.alloc(8));
    while (this.#pongs === before && !this.connection.ended && !this.connection.closed)
      await this.connection.untilBytes(this.connection.length + 1).catch(() => {});
  }

  get #pongs(): number {
    return this.frames.filter(({ type, flags }) => type === FrameType.ping && flags === Flag.ack).length;
  }

  destroy(): void {
    this.connection.destroy();
  }
}

/** Those of the static table (RFC 7541 appendix A). */
const STATUSES: Readonly<Record<number, number>> = {
  136: 200,
  137: 204,
  138: 206,
  139: 304,
  140: 400,
  141: 404,
  142: 500,
};
const STATUS_BY_NAME = 0x48;

/** Of a response, whose first field it is. */
function statusOf(block: Buffer): number {
  const [first = 0, length = 0] = block;
  if (first !== STATUS_BY_NAME) return STATUSES[first] ?? 0;
  const text = block.subarray(2, 2 + (length & 0x7f));
  return Number(length < 0x80 ? text.toString("latin1") : huffmanDigits(text));
}

/** RFC 7541 appendix B: 0 to 2 have five bits, the others six. */
function huffmanDigits(bytes: Buffer): string {
  let bits = "";
  for (const byte of bytes) bits += byte.toString(2).padStart(8, "0");
  let digits = "";
  for (let at = 0; digits.length < 3; ) {
    const short = Number.parseInt(bits.slice(at, at + 5), 2);
    digits += short <= 2 ? short : Number.parseInt(bits.slice(at, at + 6), 2) - 22;
    at += short <= 2 ? 5 : 6;
  }
  return digits;
}
