// The Range field (RFC 9110 section 14): which bytes of a file are asked for. Pure; data threads.

/** Bytes from `start` up to and without `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Nobody needs more in one request. More, or more bytes than the file has, as only ranges that overlap can be, is what
 * an attack looks like (section 14.2): the whole file is sent, once.
 */
export const MAX_RANGES = 20;

const RANGES = /^bytes=(.*)$/is;
const RANGE = /^(\d*)-(\d*)$/;

/**
 * The ranges that a file of this size has, in the order asked for; an empty list where it has none of them (416); null
 * where the field is to be ignored: another unit, not well formed, or too much.
 */
export function parseRanges(field: string, size: number): ByteRange[] | null {
  const list = RANGES.exec(field)?.[1];
  if (list === undefined) return null;
  const specs = list.split(",");
  if (specs.length > MAX_RANGES) return null;
  const ranges: ByteRange[] = [];
  let total = 0;
  let isEmpty = true;
  for (const spec of specs) {
    const text = spec.replace(/^[ \t]+|[ \t]+$/g, "");
    // RFC 9110 section 5.6.1.2: empty elements of a list count for nothing.
    if (text === "") continue;
    isEmpty = false;
    const [, first, last] = RANGE.exec(text) ?? [];
    if (first === undefined || last === undefined || (first === "" && last === "")) return null;
    // Numbers too large for exact arithmetic still compare as what they are: beyond the end of every file.
    if (first !== "" && last !== "" && Number(first) > Number(last)) return null;
    const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
    const end = first === "" || last === "" ? size : Math.min(Number(last) + 1, size);
    if (start >= end) continue;
    ranges.push({ start, end });
    total += end - start;
  }
  return isEmpty || total > size ? null : ranges;
}
