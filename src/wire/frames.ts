// The frames of a link, the unix socket between a data thread and a VM: what docs/frames.md specifies. Runs anywhere.
//
//   | length of the payload (u32) | type (u8) | stream (u32) | payload |           all numbers little-endian
//
// A stream is one exchange. Those that a data thread opens have odd numbers, those that a VM opens even ones; they only grow.

export const FRAME_HEADER_BYTES = 9;

export const FrameType = {
  /** Opens a stream, or answers on it. Payload: flags (u8), bytes of the head (u32), the head, the start of the body. */
  head: 1,
  /** A piece of the body. */
  body: 2,
  /** The end of the body. */
  end: 3,
  /** The stream is over, whatever was under way. Payload: why, as text; of a VM: code LF message NUL stack, in UTF-8. */
  abort: 4,
  /** The other side may send so many more bytes of body (u32). */
  credit: 5,
  /** The VM has put the exchange behind others. */
  queued: 6,
  /** A queued exchange is begun. */
  started: 7,
  /** A WebSocket message, or a part of one. Payload: flags (u8), the bytes. */
  message: 8,
  /** A WebSocket closes. Payload: code (u16), reason as UTF-8. */
  close: 9,
  /** Asks for a `pong` with the same number (u32) at once. Stream 0. */
  ping: 10,
  pong: 11,
  /** The VM takes no new streams on this link: it is being replaced. Stream 0. */
  drain: 12,
  /**
   * The first frame of the data thread on a link: the key of the VM, and the link's name, of which request ids are made
   * (request-id.ts). Stream 0.
   */
  name: 13,
  /**
   * Of an exchange, also of one that is over: with 1 (u8), the VM may ask upstreams for its client when it is over; with 0,
   * no more.
   */
  hold: 14,
} as const;

/** Of a `head`: the body ends with this frame. */
export const HEAD_ENDS = 1;
/** Of a `head` of a response: it may come again. */
export const HEAD_KEPT = 2;
/** Of a `head` of a response: it is the last one of the link that was kept, and none stands here. */
export const HEAD_AGAIN = 4;
/** Of a `message`: it is text, and more of it follows. */
export const MESSAGE_TEXT = 1;
export const MESSAGE_MORE = 2;

/** What comes before the head in the payload of a `head`. */
export const HEAD_PREFIX_BYTES = 5;

/** Longest piece of a body, or of a message, in one frame. */
export const MAX_PIECE_BYTES = 65_536;
/** So much of a request body goes with its head; the rest waits until the handler reads. */
export const REQUEST_WINDOW_BYTES = 16_384;
/** Streams that a VM opens at a time, for each handler that it may run at a time (`concurrency`). */
export const ASKS_PER_HANDLER = 8;
/** Promises that a VM waits for beside its exchanges (`ctx.waitUntil`). */
export const MAX_WAITS = 1000;
/** Exchanges whose client a link remembers: for these promises, and for handlers whose client has gone. */
export const MAX_HELD = 2000;
/** So much of a response body may be under way before the data thread grants more. */
export const RESPONSE_WINDOW_BYTES = 65_536;
/** Longest head. */
export const MAX_HEAD_BYTES = 131_072;
/** So many bytes of WebSocket messages may be under way each way before the receiver grants more; see `messageCost`. */
export const MESSAGE_WINDOW_BYTES = 65_536;

/**
 * What a `message` frame takes of the credit: its header too, so that empty messages are not free. Where any credit is
 * left a frame is sent whole.
 */
export function messageCost(bytes: number): number {
  return FRAME_HEADER_BYTES + 1 + bytes;
}

/** The most that may be under way. */
export const MOST_MESSAGE_BYTES = MESSAGE_WINDOW_BYTES + messageCost(MAX_PIECE_BYTES);
