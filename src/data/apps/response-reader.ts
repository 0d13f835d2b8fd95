// Reads the head of a response that a VM sent, as strictly as one of a backend. Runs in data threads.

import type { ResponseHead } from "../../core/exchange.ts";
import { FAILED, type HeadLimits, HeadParser } from "../http1/head-parser.ts";
import { readResponseHead } from "../http1/response-head.ts";

const LIMITS: HeadLimits = { lineBytes: 1024, headerBytes: 131_072, headerCount: 1000 };

export class ResponseReader {
  readonly #parser = new HeadParser("response", LIMITS);

  /** The head in `bytes` from `start` to `end`. `method` is that of the request. Returns what is wrong as text. */
  read(bytes: Buffer, start: number, end: number, method: string): ResponseHead | string {
    const parser = this.#parser;
    parser.reset(LIMITS);
    const found = parser.feed(bytes, start);
    if (found === FAILED) return parser.message;
    if (found !== end) return "a head that does not end where its frame says";
    const response = readResponseHead(parser, method);
    return typeof response === "string" ? response : response.head;
  }
}
