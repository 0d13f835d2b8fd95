// Taking frames apart: whatever chunks they come in, and whatever is in them. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FrameReader } from "./frame-reader.ts";
import { FRAME_HEADER_BYTES, FrameType, MAX_HEAD_BYTES, MAX_PIECE_BYTES } from "./frames.ts";

interface Frame {
  readonly type: number;
  readonly stream: number;
  readonly payload: Buffer;
}

function bytesOf({ type, stream, payload }: Frame, announced = payload.length): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32LE(announced, 0);
  header[4] = type;
  header.writeUInt32LE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** Keeps copies of what it hears: a payload is valid during the call only. */
class Heard {
  readonly frames: Frame[] = [];
  readonly reader = new FrameReader({
    onFrame: (type, stream, bytes, start, end) => {
      this.frames.push({ type, stream, payload: Buffer.from(bytes.subarray(start, end)) });
      return null;
    },
  });

  /** Each chunk is gone after its call, as one in the read buffer of a thread is. */
  feed(chunks: readonly Buffer[]): string | null {
    for (const chunk of chunks) {
      const lent = Buffer.from(chunk);
      const fault = this.reader.feed(lent);
      lent.fill(0xee);
      if (fault !== null) return fault;
    }
    return null;
  }
}

/** Cuts bytes at places that are shares of their length. */
function cut(bytes: Buffer, shares: readonly number[]): Buffer[] {
  const places = [...new Set(shares.map((share) => Math.floor(share * bytes.length)))].sort((a, b) => a - b);
  return [0, ...places].map((from, i) => bytes.subarray(from, places[i] ?? bytes.length));
}

const anyStream = fc.integer({ min: 1, max: 0xffff_ffff });
const { head, body, end, abort, credit, queued, started, message, close, ping, pong, drain } = FrameType;
const payloadOf = (least: number, most: number) =>
  fc.uint8Array({ minLength: least, maxLength: most }).map((bytes) => Buffer.from(bytes));
const framesOf = (types: readonly number[], stream: fc.Arbitrary<number>, payload: fc.Arbitrary<Buffer>) =>
  fc
    .tuple(fc.constantFrom(...types), stream, payload)
    .map(([type, stream, payload]) => ({ type, stream, payload }));
const anyFrame: fc.Arbitrary<Frame> = fc.oneof(
  framesOf([head], anyStream, payloadOf(5, 3000)),
  framesOf([body, message], anyStream, payloadOf(1, 300)),
  framesOf([abort], anyStream, payloadOf(0, 50)),
  framesOf([credit], anyStream, payloadOf(4, 4)),
  framesOf([end, queued, started], anyStream, payloadOf(0, 0)),
  framesOf([close], anyStream, payloadOf(2, 125)),
  framesOf([ping, pong], fc.constant(0), payloadOf(4, 4)),
  framesOf([drain], fc.constant(0), payloadOf(0, 0)),
);
const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 });

describe("FrameReader", () => {
  it("hears the same frames in whatever chunks they come", () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 20 }), shares, (frames, places) => {
        const heard = new Heard();
        const bytes = Buffer.concat(frames.map((frame) => bytesOf(frame)));
        assert.equal(heard.feed(cut(bytes, places)), null);
        assert.deepEqual(heard.frames, frames);
      }),
    );
  });

  it("hears them byte by byte", () => {
    const frames = [
      { type: head, stream: 1, payload: Buffer.from("\0\u0003\0\0\0abc", "latin1") },
      { type: queued, stream: 1, payload: Buffer.alloc(0) },
      { type: drain, stream: 0, payload: Buffer.alloc(0) },
    ];
    const heard = new Heard();
    const bytes = Buffer.concat(frames.map((frame) => bytesOf(frame)));
    assert.equal(heard.feed(Array.from(bytes, (byte) => Buffer.of(byte))), null);
    assert.deepEqual(heard.frames, frames);
  });

  it("takes the longest frame, and a short one behind it", () => {
    const frames = [
      { type: head, stream: 3, payload: Buffer.alloc(5 + MAX_HEAD_BYTES + MAX_PIECE_BYTES, "x") },
      { type: body, stream: 3, payload: Buffer.from("y") },
    ];
    const bytes = Buffer.concat(frames.map((frame) => bytesOf(frame)));
    const chunks = [];
    for (let at = 0; at < bytes.length; at += 65_536) chunks.push(bytes.subarray(at, at + 65_536));
    const heard = new Heard();
    assert.equal(heard.feed(chunks), null);
    assert.deepEqual(heard.frames, frames);
  });

  it("hears nothing of a frame that is cut short, and finds nothing wrong with it", () => {
    fc.assert(
      fc.property(
        anyFrame,
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        shares,
        (frame, share, places) => {
          const bytes = bytesOf(frame);
          const heard = new Heard();
          assert.equal(heard.feed(cut(bytes.subarray(0, Math.floor(share * bytes.length)), places)), null);
          assert.deepEqual(heard.frames, []);
        },
      ),
    );
  });

  for (const [title, type, stream, announced, fault] of [
    ["type 0", 0, 1, 0, /^a frame of type 0: expected 1 to \d+$/],
    ["a type that there is not", 200, 1, 0, /^a frame of type 200: expected 1 to \d+$/],
    [
      "a head that is too long",
      head,
      1,
      5 + MAX_HEAD_BYTES + MAX_PIECE_BYTES + 1,
      /with 196614 bytes: expected 5 to 196613$/,
    ],
    ["a head without its length", head, 1, 4, /with 4 bytes: expected 5 to/],
    ["a piece that is too long", body, 1, MAX_PIECE_BYTES + 1, /with 65537 bytes: expected 1 to 65536$/],
    ["a piece of nothing", body, 1, 0, /with 0 bytes/],
    ["an end with a payload", end, 1, 1, /with 1 bytes: expected 0$/],
    ["a reason that is too long", abort, 1, 0xffff_ffff, /with 4294967295 bytes/],
    ["a credit that is too short", credit, 1, 3, /with 3 bytes: expected 4$/],
    ["a credit that is too long", credit, 1, 5, /with 5 bytes: expected 4$/],
    ["a queued with a payload", queued, 1, 1, /with 1 bytes: expected 0$/],
    ["a started with a payload", started, 1, 1, /with 1 bytes: expected 0$/],
    ["a message that is too long", message, 1, MAX_PIECE_BYTES + 2, /with 65538 bytes/],
    ["a close without its code", close, 1, 1, /with 1 bytes: expected 2 to 125$/],
    ["a ping that is too short", ping, 0, 0, /with 0 bytes: expected 4$/],
    ["a drain with a payload", drain, 0, 1, /with 1 bytes: expected 0$/],
    ["a ping on a stream", ping, 1, 4, /^a frame of type 10 on stream 1$/],
    ["a pong on a stream", pong, 7, 4, /^a frame of type 11 on stream 7$/],
    ["a drain on a stream", drain, 2, 0, /^a frame of type 12 on stream 2$/],
    ["a head on stream 0", head, 0, 5, /^a frame of type 1 on stream 0$/],
    ["a credit on stream 0", credit, 0, 4, /^a frame of type 5 on stream 0$/],
  ] as const) {
    it(`refuses ${title} by its header alone, whole or in bytes`, () => {
      const header = bytesOf({ type, stream, payload: Buffer.alloc(0) }, announced);
      for (const chunks of [[header], Array.from(header, (byte) => Buffer.of(byte))]) {
        const heard = new Heard();
        assert.match(String(heard.feed(chunks)), fault);
        assert.deepEqual(heard.frames, []);
      }
    });
  }

  it("says what its sink finds wrong, and hears nothing more", () => {
    let heard = 0;
    const reader = new FrameReader({ onFrame: () => (++heard === 2 ? "the second" : null) });
    const frame = bytesOf({ type: queued, stream: 1, payload: Buffer.alloc(0) });
    const three = Buffer.concat([frame, frame, frame]);
    // In one chunk, and with the second one in two.
    assert.equal(reader.feed(three), "the second");
    assert.equal(heard, 2);
    heard = 0;
    const again = new FrameReader({ onFrame: () => (++heard === 2 ? "the second" : null) });
    assert.equal(again.feed(three.subarray(0, 12)), null);
    assert.equal(again.feed(three.subarray(12)), "the second");
    assert.equal(heard, 2);
  });

  it("survives any bytes, and what it hears keeps the rules", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 }), (chunks) => {
        const heard = new Heard();
        heard.feed(chunks.map((chunk) => Buffer.from(chunk)));
        for (const { type, stream, payload } of heard.frames)
          assert.equal(new Heard().reader.feed(bytesOf({ type, stream, payload })), null);
      }),
      { numRuns: 1000 },
    );
  });

  it("survives frames of which bytes were changed", () => {
    const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: 5,
    });
    fc.assert(
      fc.property(
        fc.array(anyFrame, { minLength: 1, maxLength: 5 }),
        flips,
        shares,
        (frames, changes, places) => {
          const bytes = Buffer.concat(frames.map((frame) => bytesOf(frame)));
          for (const [at, change] of changes) bytes[at % bytes.length]! ^= change;
          const whole = new Heard();
          const inChunks = new Heard();
          assert.equal(inChunks.feed(cut(bytes, places)), whole.feed([bytes]));
          assert.deepEqual(inChunks.frames, whole.frames);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("copies no byte of a long frame more than a few times, however small the chunks", () => {
    const { copy } = Buffer.prototype;
    let copied = 0;
    Buffer.prototype.copy = function (this: Buffer, ...args: Parameters<typeof copy>) {
      const bytes = copy.apply(this, args);
      copied += bytes;
      return bytes;
    } as typeof copy;
    try {
      const reader = new FrameReader({ onFrame: () => null });
      const bytes = bytesOf({ type: body, stream: 1, payload: Buffer.alloc(MAX_PIECE_BYTES) });
      for (let at = 0; at < bytes.length; at += 7) reader.feed(bytes.subarray(at, at + 7));
    } finally {
      Buffer.prototype.copy = copy;
    }
    assert.ok(copied < 4 * MAX_PIECE_BYTES, `${copied} bytes were copied`);
  });
});
