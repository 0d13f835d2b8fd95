// What a frame may be by its type: how long its payload, and whether it is about the link or about a stream. Runs anywhere.

import { FrameType, HEAD_PREFIX_BYTES, MAX_HEAD_BYTES, MAX_PIECE_BYTES } from "./frames.ts";

interface FrameRule {
  /** Bytes of the payload. */
  readonly least: number;
  readonly most: number;
  /** It is on stream 0, which no other frame is on. */
  readonly ofLink?: true;
}

/** RFC 6455 section 5.5: what a close frame has room for behind its code. */
const MAX_REASON_BYTES = 123;
/** The key of a VM and the name of a link take a fraction of it. */
const MAX_NAME_BYTES = 256;

const RULES: Readonly<Record<keyof typeof FrameType, FrameRule>> = {
  head: { least: HEAD_PREFIX_BYTES, most: HEAD_PREFIX_BYTES + MAX_HEAD_BYTES + MAX_PIECE_BYTES },
  body: { least: 1, most: MAX_PIECE_BYTES },
  end: { least: 0, most: 0 },
  abort: { least: 0, most: MAX_PIECE_BYTES },
  credit: { least: 4, most: 4 },
  queued: { least: 0, most: 0 },
  started: { least: 0, most: 0 },
  message: { least: 1, most: 1 + MAX_PIECE_BYTES },
  close: { least: 2, most: 2 + MAX_REASON_BYTES },
  hold: { least: 1, most: 1 },
  ping: { least: 4, most: 4, ofLink: true },
  pong: { least: 4, most: 4, ofLink: true },
  drain: { least: 0, most: 0, ofLink: true },
  name: { least: 1, most: MAX_NAME_BYTES, ofLink: true },
};

const LAST_TYPE = Math.max(...Object.values(FrameType));

// By type: a look in a flat array for every frame.
const LEAST: number[] = new Array(LAST_TYPE + 1).fill(0);
const MOST: number[] = new Array(LAST_TYPE + 1).fill(0);
const OF_LINK: boolean[] = new Array(LAST_TYPE + 1).fill(false);
for (const [name, type] of Object.entries(FrameType)) {
  const { least, most, ofLink } = RULES[name as keyof typeof FrameType];
  LEAST[type] = least;
  MOST[type] = most;
  OF_LINK[type] = ofLink === true;
}

/** What is wrong with a header, or null. */
export function headerFault(type: number, payload: number, stream: number): string | null {
  if (type === 0 || type > LAST_TYPE) return `a frame of type ${type}: expected 1 to ${LAST_TYPE}`;
  const least = LEAST[type]!;
  const most = MOST[type]!;
  if (payload < least || payload > most) {
    const expected = least === most ? most : `${least} to ${most}`;
    return `a frame of type ${type} with ${payload} bytes: expected ${expected}`;
  }
  return OF_LINK[type] === (stream === 0) ? null : `a frame of type ${type} on stream ${stream}`;
}
