// The hash of keys, against HalfSipHash written down byte by byte. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { KeyedHash } from "./keyed-hash.ts";

const LATIN1 = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), maxLength: 40 });
const WORD = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

describe("a keyed hash", () => {
  it("of text is HalfSipHash-1-3 of the kind and the text", () => {
    fc.assert(
      fc.property(WORD, WORD, WORD, LATIN1, (k0, k1, kind, text) => {
        const bytes = Buffer.from(`0000${text}`, "latin1");
        bytes.writeInt32LE(kind);
        assert.deepEqual(hashOf([k0, k1], kind, text), halfSipHash(k0, k1, bytes, text.length));
      }),
      { numRuns: 500 },
    );
  });

  it("of cells takes each of them", () => {
    const hash = new KeyedHash(new Int32Array([1, 2]));
    const seen = new Set<string>();
    for (const cells of [[], [0], [1], [0, 0], [0, 1], [1, 0], [0, 0, 0, 0]]) {
      hash.ofCells(7, new Int32Array(cells));
      seen.add(`${hash.first} ${hash.second}`);
    }
    assert.equal(seen.size, 7);
  });

  it("is another one for another kind and another seed", () => {
    const hashes = [
      hashOf([1, 2], 1, "key"),
      hashOf([1, 2], 2, "key"),
      hashOf([1, 3], 1, "key"),
      hashOf([0, 2], 1, "key"),
    ];
    for (const half of [0, 1]) assert.equal(new Set(hashes.map((both) => both[half])).size, 4);
  });

  it("has a random seed", () => {
    assert.notDeepEqual(KeyedHash.randomSeed(), KeyedHash.randomSeed());
  });
});

function hashOf(seed: readonly number[], kind: number, text: string): number[] {
  const hash = new KeyedHash(new Int32Array(seed));
  hash.ofText(kind, text);
  return [hash.first, hash.second];
}

/** As the paper has it, but for the length: it is the one of the text alone. */
function halfSipHash(k0: number, k1: number, bytes: Buffer, length: number): number[] {
  let v = [k0, k1 ^ 0xee, k0 ^ 0x6c796765, k1 ^ 0x74656462];
  const rotated = (x: number, by: number) => (x << by) | (x >>> (32 - by));
  const round = () => {
    let [v0, v1, v2, v3] = v as [number, number, number, number];
    v0 = (v0 + v1) | 0;
    v1 = rotated(v1, 5) ^ v0;
    v0 = rotated(v0, 16);
    v2 = (v2 + v3) | 0;
    v3 = rotated(v3, 8) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = rotated(v3, 7) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = rotated(v1, 13) ^ v2;
    v2 = rotated(v2, 16);
    v = [v0, v1, v2, v3];
  };
  const take = (word: number) => {
    v[3]! ^= word;
    round();
    v[0]! ^= word;
  };
  const whole = bytes.length - (bytes.length % 4);
  for (let i = 0; i < whole; i += 4) take(bytes.readInt32LE(i));
  let last = length << 24;
  for (const [i, byte] of bytes.subarray(whole).entries()) last |= byte << (8 * i);
  take(last);
  v[2]! ^= 0xee;
  for (let i = 0; i < 3; i++) round();
  const first = v[1]! ^ v[3]!;
  v[1]! ^= 0xdd;
  for (let i = 0; i < 3; i++) round();
  return [first, v[1]! ^ v[3]!];
}
