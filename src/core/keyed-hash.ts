// A hash of keys that strangers choose, in tables that all threads share: without the seed nobody can pick keys that fall
// together. No I/O.

const SEED_CELLS = 2;
const FINAL_ROUNDS = 3;

/**
 * HalfSipHash-1-3 with 64 bits (Aumasson and Bernstein; what Linux hashes its tables with on 32 bits). Its 64 bits stand for
 * the key: that any two of a million keys have the same is a chance of one in 37 million.
 */
export class KeyedHash {
  readonly #k0: number;
  readonly #k1: number;
  /** The two halves of the last hash. */
  first = 0;
  second = 0;

  /** Two cells; the same on every thread. */
  constructor(seed: Int32Array) {
    this.#k0 = seed[0]!;
    this.#k1 = seed[1]!;
  }

  static randomSeed(): Int32Array {
    return crypto.getRandomValues(new Int32Array(SEED_CELLS));
  }

  /** `kind` keeps keys of different kinds apart. The text is Latin-1. */
  ofText(kind: number, text: string): void {
    // One word more holds what is left, and the length.
    this.#hash(kind, text, null, (text.length >> 2) + 1);
  }

  ofCells(kind: number, cells: Int32Array): void {
    this.#hash(kind, "", cells, cells.length);
  }

  /** One loop over local numbers, which fields would make three times as slow. */
  #hash(kind: number, text: string, cells: Int32Array | null, length: number): void {
    let v0 = this.#k0;
    let v1 = this.#k1 ^ 0xee;
    let v2 = this.#k0 ^ 0x6c796765;
    let v3 = this.#k1 ^ 0x74656462;
    const rounds = 1 + length + 2 * FINAL_ROUNDS;
    for (let i = 0; i < rounds; i++) {
      let word = 0;
      if (i === 0) word = kind;
      else if (i <= length) word = cells === null ? wordAt(text, 4 * (i - 1)) : cells[i - 1]!;
      else if (i === length + 1) v2 ^= 0xee;
      else if (i === length + 1 + FINAL_ROUNDS) {
        this.first = v1 ^ v3;
        v1 ^= 0xdd;
      }
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    this.second = v1 ^ v3;
  }
}

/** Four characters, the first one lowest; behind the last whole four the rest of them, and the length on top. */
function wordAt(text: string, at: number): number {
  const { length } = text;
  if (at + 3 < length)
    return (
      byteAt(text, at) |
      (byteAt(text, at + 1) << 8) |
      (byteAt(text, at + 2) << 16) |
      (byteAt(text, at + 3) << 24)
    );
  let word = length << 24;
  for (let i = at; i < length; i++) word |= byteAt(text, i) << (8 * (i - at));
  return word;
}

function byteAt(text: string, index: number): number {
  return text.charCodeAt(index) & 0xff;
}
