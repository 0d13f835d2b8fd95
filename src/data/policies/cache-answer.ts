// Answers a client with a response that is kept: whole, in part, or by saying that it has it already. Data threads.

import { clockMs } from "../../core/clock.ts";
import { type Exchange, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { Field, type HeaderList } from "../../core/headers.ts";
import { parseRanges } from "../static/ranges.ts";
import { BodySender, type BodySource } from "./cache-body.ts";
import { isConditional, isNotModified, isPartWanted } from "./cache-conditions.ts";
import type { Entry } from "./cache-entry.ts";
import type { Room } from "./cache-room.ts";

/** What tells of a body, which a 304 has none of. */
const OF_THE_BODY = ["content-type", "content-encoding", "content-language", "content-range", "content-md5"];

/** A body that is kept whole. */
export function wholeSource({ body }: Entry): BodySource {
  return { bytes: body, whole: true };
}

export interface KeptAnswer {
  /** The body of the entry, which may still grow. */
  readonly source: BodySource;
  /** The declared one of a body that still grows. */
  readonly bodyLength: number;
  readonly room: Room;
  /** The value of Cache-Status, or empty. */
  readonly status: string;
}

/** Returns what has to be told of more of the body; null where the answer is whole. */
export function answerKept(exchange: Exchange, entry: Entry, answer: KeptAnswer): BodySender | null {
  const { source, bodyLength, room, status } = answer;
  const { request, client } = exchange;
  const headers = entry.headers.copy();
  headers.add("Age", String(Math.floor(entry.ageMs(clockMs()) / 1000)), Field.other);
  if (status !== "") headers.add("Cache-Status", status, Field.other);
  exchange.action = null;
  if (isConditional(request.headers)) {
    if (isNotModified(request.headers, entry)) {
      for (const name of OF_THE_BODY) headers.removeNamed(name);
      client.sendHead({ status: 304, reason: "", headers, bodyLength: UNKNOWN_LENGTH }, null, true);
      return null;
    }
    if (sendPart(exchange, entry, answer, headers)) return null;
  }
  const head = { status: entry.status, reason: entry.reason, headers, bodyLength };
  if (request.method === "HEAD") {
    client.sendHead(head, null, true);
    return null;
  }
  const sender = new BodySender(exchange, source, room);
  sender.start(head);
  return source.whole ? null : sender;
}

/** One range of a whole body. What asks for more than one gets all of it, as RFC 9110 section 14.2 allows. */
function sendPart(
  exchange: Exchange,
  entry: Entry,
  { source, room }: KeptAnswer,
  headers: HeaderList,
): boolean {
  const { request, client } = exchange;
  const field = request.method === "GET" ? request.headers.join(Field.range) : null;
  if (field === null || entry.status !== 200 || !source.whole) return false;
  if (!isPartWanted(request.headers, entry)) return false;
  const size = source.bytes.length;
  const ranges = parseRanges(field, size);
  if (ranges === null || ranges.length > 1) return false;
  const [range] = ranges;
  if (range === undefined) {
    headers.add("Content-Range", `bytes */${size}`);
    client.sendHead({ status: 416, reason: "", headers, bodyLength: 0 }, null, true);
    return true;
  }
  headers.add("Content-Range", `bytes ${range.start}-${range.end - 1}/${size}`);
  const part = { bytes: source.bytes.subarray(range.start, range.end), whole: true, of: source.bytes };
  new BodySender(exchange, part, room).start({
    status: 206,
    reason: "",
    headers,
    bodyLength: part.bytes.length,
  });
  return true;
}
