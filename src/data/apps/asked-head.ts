// Reads the head of a request that a VM asks an upstream with, as strictly as one of a client. Runs in data threads.
//
//   place of the upstream SP stream of the exchange LF  a head of HTTP/1.1

import { GatewayError } from "../../core/errors.ts";
import type { RequestHead } from "../../core/exchange.ts";
import { Field, type HeaderList } from "../../core/headers.ts";
import { FAILED, type HeadLimits, HeadParser } from "../http1/head-parser.ts";
import { headFault, readRequestHead } from "../http1/request-head.ts";

/** What an app makes itself may be longer than what it is let to get. */
const LIMITS: HeadLimits = { lineBytes: 65_536, headerBytes: 131_072, headerCount: 1000 };
/** Two numbers of 32 bits. */
const MOST_LINE_BYTES = 22;
const LINE = /^(\d{1,10}) (\d{1,10})$/;

export interface AskedHead {
  readonly place: number;
  /** Of the exchange in whose handler it is asked. */
  readonly stream: number;
  readonly request: RequestHead;
}

export class AskedHeadReader {
  readonly #parser = new HeadParser("request", LIMITS);

  /**
   * The head in `bytes` from `start` to `end`. Returns a GatewayError for a request that no client could make either, and
   * as text what no VM should send.
   */
  read(bytes: Buffer, start: number, end: number): AskedHead | GatewayError | string {
    const lineEnd = bytes.subarray(start, Math.min(end, start + MOST_LINE_BYTES)).indexOf("\n");
    const line = lineEnd < 0 ? null : LINE.exec(bytes.toString("latin1", start, start + lineEnd));
    if (line === null) return "a request that does not begin with an upstream and a stream";
    const parser = this.#parser;
    parser.reset(LIMITS);
    const found = parser.feed(bytes, start + lineEnd + 1);
    if (found === FAILED) return headFault(parser);
    if (found !== end) return "a head that does not end where its frame says";
    const read = readRequestHead(parser);
    if (read instanceof GatewayError) return read;
    const request = { ...read.head, upgrade: null };
    removeClaims(request.headers);
    return { place: Number(line[1]), stream: Number(line[2]), request };
  }
}

/** What is said of the client, the gateway says itself. */
function removeClaims(headers: HeaderList): void {
  const { ids } = headers;
  for (let i = 0; i < ids.length; i++)
    if (ids[i]! >= Field.xForwardedFor && ids[i]! <= Field.via) headers.removeAt(i);
}
