// Writing frames: what a reader gets of them, in how many writes, and from whose memory. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { FrameReader, readNumber } from "./frame-reader.ts";
import { FrameWriter } from "./frame-writer.ts";
import { FrameType, HEAD_ENDS, HEAD_PREFIX_BYTES, MAX_PIECE_BYTES } from "./frames.ts";

/** A socket whose kernel takes all at once, unless it `waits`: then bytes are read later, from the memory they were given in. */
class Taken {
  readonly writes: Buffer[] = [];
  waits = false;

  get writableLength(): number {
    return this.waits ? 1 : 0;
  }

  write(bytes: Uint8Array): boolean {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.writes.push(this.waits ? view : Buffer.from(view));
    return !this.waits;
  }

  /** What a reader hears of it: type, stream and payload. */
  frames(): Array<[type: number, stream: number, payload: Buffer]> {
    const frames: Array<[number, number, Buffer]> = [];
    const reader = new FrameReader({
      onFrame: (type, stream, bytes, start, end) => {
        frames.push([type, stream, Buffer.from(bytes.subarray(start, end))]);
        return null;
      },
    });
    for (const bytes of this.writes) assert.equal(reader.feed(bytes), null);
    return frames;
  }
}

function headOf(payload: Buffer): { flags: number; head: string; body: Buffer } {
  const start = HEAD_PREFIX_BYTES + readNumber(payload, 1);
  return {
    flags: payload[0]!,
    head: payload.toString("latin1", HEAD_PREFIX_BYTES, start),
    body: payload.subarray(start),
  };
}

describe("FrameWriter", () => {
  it("sends all frames of a turn in one write at its end", async () => {
    const taken = new Taken();
    const writer = new FrameWriter(taken);
    writer.head(1, "a", null, HEAD_ENDS);
    writer.empty(FrameType.queued, 3);
    await Promise.resolve();
    writer.number(FrameType.credit, 5, 0xffff_fffe);
    assert.equal(taken.writes.length, 0);
    await nextTurn();
    assert.equal(taken.writes.length, 1);
    assert.deepEqual(
      taken.frames().map(([type, stream]) => [type, stream]),
      [
        [1, 1],
        [6, 3],
        [5, 5],
      ],
    );
    assert.equal(readNumber(taken.frames()[2]![2], 0), 0xffff_fffe);
    writer.empty(FrameType.started, 3);
    await nextTurn();
    assert.equal(taken.writes.length, 2);
  });

  it("sends at once where that is asked for, and nothing twice", async () => {
    const taken = new Taken();
    const writer = new FrameWriter(taken);
    writer.empty(FrameType.started, 3);
    writer.flush();
    assert.equal(taken.writes.length, 1);
    writer.flush();
    await nextTurn();
    assert.equal(taken.writes.length, 1);
  });

  it("writes heads as latin1, and bodies that are text as UTF-8", () => {
    const anyHead = fc.string({
      unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    });
    const anyBody = fc.oneof(
      fc.constant(null),
      fc.string({ unit: "grapheme", maxLength: 300 }),
      fc.uint8Array({ maxLength: 300 }),
    );
    fc.assert(
      fc.property(anyHead, anyBody, fc.boolean(), (head, body, ends) => {
        const taken = new Taken();
        const writer = new FrameWriter(taken);
        writer.head(7, head, body, ends ? HEAD_ENDS : 0);
        writer.flush();
        const [[type, stream, payload]] = taken.frames() as [[number, number, Buffer]];
        assert.deepEqual([type, stream], [FrameType.head, 7]);
        assert.deepEqual(headOf(payload), {
          flags: ends ? HEAD_ENDS : 0,
          head,
          body: body === null ? Buffer.alloc(0) : Buffer.from(body as string),
        });
      }),
    );
  });

  it("cuts a long body into pieces, and sends what does not fit beside the rest", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3 * MAX_PIECE_BYTES }), { maxLength: 6 }), (lengths) => {
        const taken = new Taken();
        const writer = new FrameWriter(taken);
        for (const [i, length] of lengths.entries()) writer.body(2 * i + 1, Buffer.alloc(length, i + 1));
        writer.flush();
        const got = new Map<number, Buffer[]>();
        for (const [type, stream, payload] of taken.frames()) {
          assert.equal(type, FrameType.body);
          assert.ok(payload.length > 0 && payload.length <= MAX_PIECE_BYTES);
          got.set(stream, [...(got.get(stream) ?? []), payload]);
        }
        for (const [i, length] of lengths.entries()) {
          const bytes = Buffer.concat(got.get(2 * i + 1) ?? []);
          assert.ok(bytes.equals(Buffer.alloc(length, i + 1)));
        }
      }),
      { numRuns: 50 },
    );
  });

  it("leaves out of a text what is too long for a frame", () => {
    const taken = new Taken();
    const writer = new FrameWriter(taken);
    writer.text(FrameType.abort, 1, "ä".repeat(MAX_PIECE_BYTES));
    writer.flush();
    assert.equal(taken.frames()[0]![2].length, MAX_PIECE_BYTES);
  });

  it("leaves bytes alone that the kernel has not taken", async () => {
    const taken = new Taken();
    const writer = new FrameWriter(taken);
    taken.waits = true;
    for (let i = 1; i < 20; i += 2) {
      writer.body(i, Buffer.alloc(1000, i));
      await nextTurn();
    }
    for (const [, stream, payload] of taken.frames()) assert.ok(payload.equals(Buffer.alloc(1000, stream)));
    assert.deepEqual(
      taken.frames().map(([, stream]) => stream),
      [1, 3, 5, 7, 9, 11, 13, 15, 17, 19],
    );
  });
});
