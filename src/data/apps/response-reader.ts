// Reads the head of a response that a VM sent, as strictly as one of a backend. Runs in data threads.

import { GatewayError } from "../../core/errors.ts";
import { type ResponseHead, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { readNumber } from "../../wire/frame-reader.ts";
import { HEAD_ENDS, HEAD_PREFIX_BYTES, MAX_HEAD_BYTES, MAX_PIECE_BYTES } from "../../wire/frames.ts";
import { FAILED, type HeadLimits, HeadParser } from "../http1/head-parser.ts";
import { readResponseHead } from "../http1/response-head.ts";

const LIMITS: HeadLimits = { lineBytes: 1024, headerBytes: MAX_HEAD_BYTES, headerCount: 1000 };

/** Longer heads are read each time. */
const MOST_KEPT_BYTES = 512;
/** Where each head is another one, keeping them costs more than it saves: only so few of them are kept. */
const KEPT_OF = 8;

/** A head that was read, and the method of its request. */
interface KnownHead {
  readonly method: string;
  readonly text: Buffer;
  readonly head: ResponseHead;
}

export class ResponseReader {
  readonly #parser = new HeadParser("response", LIMITS);
  /** The next response of a route often has the same head: then it is compared, and not read again. */
  #known: KnownHead | null = null;
  #reads = 0;
  /** Of the frame that was read last: where its part of the body starts, and whether that is all of it. */
  bodyStart = 0;
  ends = false;

  /**
   * Reads a `head` frame, whose payload is `bytes` from `start` to `end`. `method` is that of the request. Returns a
   * GatewayError for a response that an app has made so, and as text what no VM should send.
   */
  read(bytes: Buffer, start: number, end: number, method: string): ResponseHead | GatewayError | string {
    const flags = bytes[start]!;
    if ((flags & ~HEAD_ENDS) !== 0) return `a head with flags ${flags}`;
    const headStart = start + HEAD_PREFIX_BYTES;
    const bodyStart = headStart + readNumber(bytes, start + 1);
    const length = end - bodyStart;
    if (length < 0) return "a head that is longer than its frame";
    if (length > MAX_PIECE_BYTES) return `a head with ${length} bytes of body: expected ${MAX_PIECE_BYTES}`;
    this.bodyStart = bodyStart;
    this.ends = flags === HEAD_ENDS;
    const read = this.#readText(bytes, headStart, bodyStart, method);
    if (typeof read === "string" || read instanceof GatewayError) return read;
    const { status, reason, headers, bodyLength: declared } = read;
    const isBodyless = method === "HEAD" || status === 304;
    if (isBodyless || declared === length) return read;
    // A body that is there as a whole is as long as it is, whatever the app says.
    if (this.ends) return { status, reason, headers, bodyLength: length };
    if (declared === UNKNOWN_LENGTH || length < declared) return read;
    return invalid(`a body of more than the ${declared} bytes that its head says`);
  }

  #readText(bytes: Buffer, start: number, end: number, method: string): ResponseHead | GatewayError | string {
    const known = this.#known;
    if (known !== null && known.method === method && isAt(known.text, bytes, start, end))
      return copied(known.head);
    const parser = this.#parser;
    parser.reset(LIMITS);
    const found = parser.feed(bytes, start);
    if (found === FAILED) return parser.fault === "malformed" ? parser.message : invalid(parser.message);
    if (found !== end) return "a head that does not end where its frame says";
    const response = readResponseHead(parser, method);
    if (typeof response === "string") return invalid(response);
    const { head } = response;
    if (head.status < 200) return head.status === 101 ? head : `a head with status ${head.status}`;
    if (end - start <= MOST_KEPT_BYTES && this.#reads++ % KEPT_OF === 0)
      this.#known = { method, text: Buffer.from(bytes.subarray(start, end)), head: copied(head) };
    return head;
  }
}

/** Whoever gets a head may change its fields. */
function copied({ status, reason, headers, bodyLength }: ResponseHead): ResponseHead {
  return { status, reason, headers: headers.copy(), bodyLength };
}

/** Whether `text` is what is in `bytes` from `start` to `end`. */
function isAt(text: Buffer, bytes: Buffer, start: number, end: number): boolean {
  const { length } = text;
  if (end - start !== length) return false;
  for (let i = 0; i < length; i++) if (text[i] !== bytes[start + i]) return false;
  return true;
}

function invalid(what: string): GatewayError {
  return new GatewayError("app_response_invalid", `the handler's response has ${what}`);
}
