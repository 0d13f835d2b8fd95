// A backend of HTTP/2 that says exactly what a test tells it, frame by frame, and counts what it gets. Runs in tests.

import type { TestContext } from "node:test";
import { RawBackend, type RawConnection } from "../support/raw.ts";
import { type Fields, Flag, FrameType, fieldBlock, frame, PREFACE, settings, uint32 } from "./frames.ts";

const MAX_FRAME_BYTES = 16_384;

export type Serve = (connection: FrameConnection, stream: number) => unknown;

export interface FrameBackendOptions {
  /** The first frame, where it is not an empty SETTINGS. */
  readonly settings?: Buffer;
  /** Called with each new connection, before anything is sent on it. */
  readonly accepted?: (connection: FrameConnection, index: number) => unknown;
}

export class FrameBackend {
  readonly connections: FrameConnection[] = [];
  readonly #backend: RawBackend;

  /** `serve` is called with each request, when its HEADERS frame came. */
  static async start(t: TestContext, serve: Serve, options: FrameBackendOptions = {}): Promise<FrameBackend> {
    const connections: FrameConnection[] = [];
    const backend = await RawBackend.start((raw, index) => {
      const connection = new FrameConnection(raw, serve);
      connections.push(connection);
      options.accepted?.(connection, index);
      raw.write(options.settings ?? settings());
    });
    t.after(() => backend.stop());
    return new FrameBackend(backend, connections);
  }

  private constructor(backend: RawBackend, connections: FrameConnection[]) {
    this.#backend = backend;
    this.connections = connections;
  }

  get port(): number {
    return this.#backend.port;
  }

  /** Of all connections. */
  get requests(): number {
    return this.connections.reduce((sum, { requests }) => sum + requests.length, 0);
  }
}

export class FrameConnection {
  readonly raw: RawConnection;
  /** Their streams, in the order in which they came. */
  readonly requests: number[] = [];
  /** Codes of RST_STREAM frames that came, by stream. */
  readonly resets = new Map<number, number>();
  /** Bytes of bodies that came, by stream. */
  readonly bodies = new Map<number, number>();
  /** Requests that are whole. */
  readonly ended = new Set<number>();
  /** PING frames that came and are no answers; they are answered unless `isMute`. */
  pings = 0;
  /** A GOAWAY frame came. */
  saidGoodBye = false;
  /** Answers nothing by itself. */
  isMute = false;
  #read = PREFACE.length;
  readonly #serve: Serve;

  constructor(raw: RawConnection, serve: Serve) {
    this.raw = raw;
    this.#serve = serve;
    raw.socket.on("data", () => this.#readFrames());
    raw.socket.on("end", () => raw.socket.end());
  }

  send(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): void {
    this.raw.write(frame(type, flags, stream, payload));
  }

  /** A head, and all of a body unless that is null: then the response goes on. */
  respond(stream: number, body: string | null = "ok", fields: Fields = [], status = "200"): void {
    this.head(stream, [[":status", status], ...fields]);
    if (body !== null) this.data(stream, body, true);
  }

  head(stream: number, fields: Fields, last = false): void {
    const block = fieldBlock(fields);
    const end = last ? Flag.endStream : Flag.none;
    if (block.length <= MAX_FRAME_BYTES) {
      this.send(FrameType.headers, Flag.endHeaders | end, stream, block);
      return;
    }
    this.send(FrameType.headers, end, stream, block.subarray(0, MAX_FRAME_BYTES));
    for (let at = MAX_FRAME_BYTES; at < block.length; at += MAX_FRAME_BYTES) {
      const flags = at + MAX_FRAME_BYTES < block.length ? Flag.none : Flag.endHeaders;
      this.send(FrameType.continuation, flags, stream, block.subarray(at, at + MAX_FRAME_BYTES));
    }
  }

  data(stream: number, body: string | Buffer, last = false): void {
    this.send(FrameType.data, last ? Flag.endStream : Flag.none, stream, Buffer.from(body));
  }

  reset(stream: number, code: number): void {
    this.send(FrameType.rstStream, Flag.none, stream, uint32(code));
  }

  goAway(lastStream: number, code = 0): void {
    this.send(FrameType.goaway, Flag.none, 0, Buffer.concat([uint32(lastStream), uint32(code)]));
  }

  /** Resolves when `isSo`, which what comes in may make so. */
  async until(isSo: () => boolean): Promise<void> {
    // What has come is read first.
    await null;
    while (!isSo()) await this.raw.untilBytes(this.raw.length + 1);
  }

  /** The stream of the request of that index, now or when it comes. */
  async request(index: number): Promise<number> {
    await this.until(() => this.requests.length > index);
    return this.requests[index]!;
  }

  #readFrames(): void {
    const bytes = this.raw.received;
    while (bytes.length - this.#read >= 9) {
      const at = this.#read;
      const length = bytes.readUIntBE(at, 3);
      if (bytes.length - at < 9 + length) return;
      this.#read += 9 + length;
      const payload = bytes.subarray(at + 9, at + 9 + length);
      this.#take(bytes[at + 3]!, bytes[at + 4]!, bytes.readUInt32BE(at + 5), payload);
    }
  }

  #take(type: number, flags: number, stream: number, payload: Buffer): void {
    if (type === FrameType.rstStream) this.resets.set(stream, payload.readUInt32BE());
    if (type === FrameType.goaway) this.saidGoodBye = true;
    if (type === FrameType.data) this.bodies.set(stream, (this.bodies.get(stream) ?? 0) + payload.length);
    const mayEnd = type === FrameType.data || type === FrameType.headers;
    if (mayEnd && (flags & Flag.endStream) !== 0) this.ended.add(stream);
    if (type === FrameType.headers && !this.requests.includes(stream)) {
      this.requests.push(stream);
      this.#serve(this, stream);
    }
    if ((flags & Flag.ack) !== 0) return;
    if (type === FrameType.ping) {
      this.pings++;
      if (!this.isMute) this.send(FrameType.ping, Flag.ack, 0, payload);
    }
    if (type === FrameType.settings && !this.isMute) this.send(FrameType.settings, Flag.ack, 0);
  }
}
