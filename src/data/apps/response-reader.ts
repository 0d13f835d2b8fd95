// Reads the heads of responses that a VM sent over a link, as strictly as those of a backend. Runs in data threads.

import { GatewayError } from "../../core/errors.ts";
import { type ResponseHead, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { readNumber } from "../../wire/frame-reader.ts";
import {
  HEAD_AGAIN,
  HEAD_ENDS,
  HEAD_KEPT,
  HEAD_PREFIX_BYTES,
  MAX_HEAD_BYTES,
  MAX_PIECE_BYTES,
} from "../../wire/frames.ts";
import { FAILED, type HeadLimits, HeadParser } from "../http1/head-parser.ts";
import { readResponseHead } from "../http1/response-head.ts";

const LIMITS: HeadLimits = { lineBytes: 1024, headerBytes: MAX_HEAD_BYTES, headerCount: 1000 };

const FLAGS = HEAD_ENDS | HEAD_KEPT | HEAD_AGAIN;

export class ResponseReader {
  readonly #parser = new HeadParser("response", LIMITS);
  /** What the VM names with HEAD_AGAIN. */
  #kept: ResponseHead | GatewayError | null = null;
  /** Of the frame that was read last: where its part of the body starts, and whether that is all of it. */
  bodyStart = 0;
  ends = false;

  /**
   * Reads a `head` frame, whose payload is `bytes` from `start` to `end`. `method` is that of the request. Returns a
   * GatewayError for a response that an app has made so, and as text what no VM should send.
   */
  read(bytes: Buffer, start: number, end: number, method: string): ResponseHead | GatewayError | string {
    const flags = bytes[start]!;
    if ((flags & ~FLAGS) !== 0) return `a head with flags ${flags}`;
    const headStart = start + HEAD_PREFIX_BYTES;
    const bodyStart = headStart + readNumber(bytes, start + 1);
    const length = end - bodyStart;
    if (length < 0) return "a head that is longer than its frame";
    if (length > MAX_PIECE_BYTES) return `a head with ${length} bytes of body: expected ${MAX_PIECE_BYTES}`;
    this.bodyStart = bodyStart;
    this.ends = (flags & HEAD_ENDS) !== 0;
    // A response to HEAD says of its length what no other one does.
    if (flags > HEAD_ENDS && method === "HEAD") return `a head with flags ${flags} in answer to HEAD`;
    let read: ResponseHead | GatewayError | string;
    if ((flags & HEAD_AGAIN) !== 0) {
      if (this.#kept === null || bodyStart > headStart || (flags & HEAD_KEPT) !== 0)
        return "a head again, where none was kept or another one stands";
      read = copied(this.#kept);
    } else {
      read = this.#readText(bytes, headStart, bodyStart, method);
      if (typeof read === "string") return read;
      if ((flags & HEAD_KEPT) !== 0) this.#keep(read);
    }
    if (read instanceof GatewayError) return read;
    const { status, reason, headers, bodyLength: declared } = read;
    const isBodyless = method === "HEAD" || status === 304;
    if (isBodyless || declared === length) return read;
    // A body that is there as a whole is as long as it is, whatever the app says.
    if (this.ends) return { status, reason, headers, bodyLength: length };
    if (declared === UNKNOWN_LENGTH || length < declared) return read;
    return invalid(`a body of more than the ${declared} bytes that its head says`);
  }

  #keep(read: ResponseHead | GatewayError): void {
    this.#kept = copied(read);
    // Made here for all copies of it.
    if (!(this.#kept instanceof GatewayError)) this.#kept.headers.forwardLines();
  }

  #readText(bytes: Buffer, start: number, end: number, method: string): ResponseHead | GatewayError | string {
    const parser = this.#parser;
    parser.reset(LIMITS);
    const found = parser.feed(bytes, start);
    if (found === FAILED) return parser.fault === "malformed" ? parser.message : invalid(parser.message);
    if (found !== end) return "a head that does not end where its frame says";
    const response = readResponseHead(parser, method);
    if (typeof response === "string") return invalid(response);
    const { head } = response;
    return head.status < 200 && head.status !== 101 ? `a head with status ${head.status}` : head;
  }
}

/** Whoever gets a head may change its fields. */
function copied(read: ResponseHead | GatewayError): ResponseHead | GatewayError {
  if (read instanceof GatewayError) return read;
  const { status, reason, headers, bodyLength } = read;
  return { status, reason, headers: headers.copy(), bodyLength };
}

function invalid(what: string): GatewayError {
  return new GatewayError("app_response_invalid", `the handler's response has ${what}`);
}
