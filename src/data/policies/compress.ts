// The policy `compress`: compresses responses on their way to clients that take it. Runs in data threads.

import type { CompressSpec, TypePattern } from "../../config/snapshot.ts";
import { GatewayError } from "../../core/errors.ts";
import { type ClientStream, type Exchange, type ResponseHead, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { Field, type HeaderList } from "../../core/headers.ts";
import { hasToken } from "../http1/fields.ts";
import { failExchange } from "../pipeline.ts";
import { chooseEncoding } from "../static/encodings.ts";
import { ClientLayer } from "./client-layer.ts";
import { type Compressor, type CompressorStream, createCompressor } from "./compressor.ts";
import { type Policy, Step } from "./policy.ts";
import { addVary } from "./vary.ts";

/**
 * A body that is there as a whole and no longer than this is compressed at once: that takes 0.1 to 0.3 ms for 11 kB of JSON,
 * and handing it to the thread pool and back as long.
 */
const AT_ONCE_BYTES = 16_384;

const EVENT_STREAM = "text/event-stream";
/** Statuses whose body is none, or a piece of another one. */
const NEVER: readonly number[] = [204, 205, 206, 304];
/** Fields that are not true of the compressed body. */
const OF_BODY = ["accept-ranges", "content-digest", "content-md5", "digest", "repr-digest"];

/** Content types that were looked up are kept; whoever sends this many different ones starts again. */
const MOST_TYPES = 256;

export function createCompress(spec: CompressSpec, create = createCompressor): Policy {
  const compression = new Compression(spec, create);
  return {
    enter(exchange) {
      exchange.client = new CompressLayer(exchange.client, compression, exchange);
      return Step.goOn;
    },
  };
}

/** What the exchanges of a route share: the choices, made once for each value of a field. */
class Compression {
  readonly minBytes: number;
  readonly #types: readonly TypePattern[];
  readonly #encodings: CompressSpec["encodings"];
  readonly #compressors: readonly Compressor[];
  readonly #knownTypes = new Map<string, boolean>();
  #lastAccepted = "";
  #lastChoice: Compressor | null = null;

  constructor({ types, encodings, minBytes, level }: CompressSpec, create: typeof createCompressor) {
    this.minBytes = minBytes;
    this.#types = types;
    this.#encodings = encodings;
    this.#compressors = encodings.map((encoding) => create(encoding, level));
  }

  /** Whether bodies of that Content-Type are compressed. */
  takes(contentType: string): boolean {
    const known = this.#knownTypes.get(contentType);
    if (known !== undefined) return known;
    const type = contentType.split(";")[0]!.trim().toLowerCase();
    const isTaken =
      type !== EVENT_STREAM &&
      this.#types.some(([start, end]) => {
        return end === null
          ? type === start
          : type.length >= start.length + end.length && type.startsWith(start) && type.endsWith(end);
      });
    if (this.#knownTypes.size >= MOST_TYPES) this.#knownTypes.clear();
    this.#knownTypes.set(contentType, isTaken);
    return isTaken;
  }

  /** Null where the client gets the body as it is. Most clients in a row ask for the same. */
  choose(accepted: string | null): Compressor | null {
    if (accepted === null) return null;
    if (accepted !== this.#lastAccepted) {
      this.#lastChoice = this.#compressors[chooseEncoding(accepted, this.#encodings)] ?? null;
      this.#lastAccepted = accepted;
    }
    return this.#lastChoice;
  }
}

class CompressLayer extends ClientLayer {
  readonly #compression: Compression;
  readonly #exchange: Exchange;
  #stream: CompressorStream | null = null;
  #flushKind = 0;
  /** Pieces that the stream has not taken yet. */
  #unwritten = 0;
  #ended = false;
  #trailers: HeaderList | null = null;

  constructor(next: ClientStream, compression: Compression, exchange: Exchange) {
    super(next);
    this.#compression = compression;
    this.#exchange = exchange;
  }

  override sendHead(head: ResponseHead, body: Buffer | null, last: boolean, lent = false): boolean {
    if (head.status === 304) keepWeak(head.headers, this.#exchange.request.headers);
    const length = last ? (body?.length ?? 0) : head.bodyLength;
    const { request } = this.#exchange;
    // What HEAD is told of is what GET would have got.
    const fullLength = request.method === "HEAD" ? head.bodyLength : length;
    if (!this.#isCompressible(head, fullLength)) return this.next.sendHead(head, body, last, lent);
    addVary(head.headers, "Accept-Encoding");
    const compressor = this.#compression.choose(request.headers.join(Field.acceptEncoding));
    if (compressor === null) return this.next.sendHead(head, body, last, lent);
    if (last && body !== null && body.length <= AT_ONCE_BYTES)
      return this.#sendAtOnce(head, body, compressor, lent);
    describe(head.headers, compressor);
    if (request.method === "HEAD") return this.next.sendHead(withLength(head, UNKNOWN_LENGTH), null, last);
    // A body whose length is known comes as fast as it can: what it is for need not be there before its end.
    this.#begin(compressor, head.bodyLength === UNKNOWN_LENGTH);
    if (!this.next.sendHead(withLength(head, UNKNOWN_LENGTH), null, false)) this.#stream?.pause();
    const flows = body === null || this.sendBody(body);
    if (last) this.sendEnd(null);
    return flows;
  }

  /** `length` is that of the body, or `UNKNOWN_LENGTH`. */
  #isCompressible({ status, headers }: ResponseHead, length: number): boolean {
    if (length === 0 || (length !== UNKNOWN_LENGTH && length < this.#compression.minBytes)) return false;
    const type = headers.get(Field.contentType);
    if (type === null || !this.#compression.takes(type) || NEVER.includes(status)) return false;
    if (headers.find("content-encoding") !== null || headers.find("content-range") !== null) return false;
    for (let i = 0; i < headers.length; i++) {
      if (headers.ids[i] !== Field.other || headers.nameAt(i).toLowerCase() !== "cache-control") continue;
      if (hasToken(headers.valueAt(i), "no-transform")) return false;
    }
    return true;
  }

  /** What does not become shorter stays as it is. */
  #sendAtOnce(head: ResponseHead, body: Buffer, compressor: Compressor, lent: boolean): boolean {
    const compressed = compressor.whole(body);
    if (compressed.length >= body.length) return this.next.sendHead(head, body, true, lent);
    describe(head.headers, compressor);
    return this.next.sendHead(withLength(head, compressed.length), compressed, true, true);
  }

  // ---- a body that comes in pieces ----

  #begin(compressor: Compressor, flushes: boolean): void {
    const stream = compressor.stream();
    this.#stream = stream;
    this.#flushKind = flushes ? compressor.flushKind : 0;
    this.#exchange.transform = this;
    // Of a stream that was destroyed nothing more is heard.
    stream.on("data", (chunk: Buffer) => {
      if (!this.next.sendBody(chunk, true)) stream.pause();
    });
    stream.on("drain", () => this.#exchange.action?.onClientDrain());
    stream.on("end", () => this.next.sendEnd(this.#trailers));
    stream.on("error", (error) => {
      failExchange(this.#exchange, new GatewayError("internal", "cannot compress a response", error));
    });
  }

  override sendBody(chunk: Buffer, lent = false): boolean {
    const stream = this.#stream;
    if (stream === null) return this.next.sendBody(chunk, lent);
    this.#unwritten++;
    // The thread pool reads it when it comes to it.
    return stream.write(Buffer.from(chunk), this.#onWritten);
  }

  /** When no more has come meanwhile the source pauses: what there is goes out. */
  readonly #onWritten = (): void => {
    if (--this.#unwritten === 0 && this.#flushKind !== 0 && !this.#ended)
      this.#stream?.flush(this.#flushKind);
  };

  override sendEnd(trailers: HeaderList | null): void {
    if (this.#stream === null) {
      this.next.sendEnd(trailers);
      return;
    }
    this.#ended = true;
    this.#trailers = trailers;
    this.#stream.end();
  }

  /** In place of the action, which hears of the stream's own drain. */
  onClientDrain(): void {
    this.#stream?.resume();
  }

  override cut(): void {
    this.#letGo();
    this.next.cut();
  }

  override finished(): void {
    this.#letGo();
    this.next.finished();
  }

  #letGo(): void {
    this.#stream?.destroy();
    this.#stream = null;
  }
}

function withLength({ status, reason, headers }: ResponseHead, bodyLength: number): ResponseHead {
  return { status, reason, headers, bodyLength };
}

function describe(headers: HeaderList, { encoding }: Compressor): void {
  for (let i = 0; i < OF_BODY.length; i++) headers.removeNamed(OF_BODY[i]!);
  headers.add("Content-Encoding", encoding, Field.other);
  const tag = headers.find("etag");
  // The bytes are others than those that the tag is of (RFC 9110 section 8.8.3.3).
  if (tag?.startsWith('"')) weaken(headers, tag);
}

/** What a client has is told from what it would get by the tag that it was given (RFC 9110 section 15.4.5). */
function keepWeak(headers: HeaderList, asked: HeaderList): void {
  const tag = headers.find("etag");
  if (!tag?.startsWith('"') || asked.find("if-none-match")?.includes(`W/${tag}`) !== true) return;
  weaken(headers, tag);
  addVary(headers, "Accept-Encoding");
}

function weaken(headers: HeaderList, tag: string): void {
  headers.removeNamed("etag");
  headers.add("ETag", `W/${tag}`, Field.other);
}
