// Which of its upstreams a split route sends an exchange to, by weight. Runs in data threads.
//
//   0        5        10                                        100        canary: 5, beta: 5, stable: 90
//   | canary |  beta  |                  stable                  |
//
// Every key has one place on this line for ever, and the upstreams lie on it in the order of the file. So a key stays as
// long as the weights do, and when a border moves, only the keys that it passes over change sides.

import type { HashKey, ProxySpec } from "../../config/snapshot.ts";
import type { Exchange } from "../../core/exchange.ts";
import { hash32, readHashKey } from "../upstream/hash-key.ts";

const HASHES = 2 ** 32;

export class Split<Target> {
  readonly #by: ProxySpec["splitBy"];
  readonly #targets: readonly Target[];
  /** Where the part of each target ends, on a line from 0 to 1. */
  readonly #ends: readonly number[];

  /** In the order of the file, at least one with a weight above 0. */
  constructor(
    by: ProxySpec["splitBy"],
    parts: ReadonlyArray<{ readonly target: Target; readonly weight: number }>,
  ) {
    const total = parts.reduce((sum, { weight }) => sum + weight, 0);
    let end = 0;
    this.#by = by;
    this.#targets = parts.map(({ target }) => target);
    this.#ends = parts.map(({ weight }) => {
      end += weight;
      return end / total;
    });
  }

  choose(exchange: Exchange): Target {
    const ends = this.#ends;
    const place = this.#by.from === "random" ? Math.random() : placeOf(exchange, this.#by);
    // The place is below 1, which is where the last part with a weight ends.
    let i = 0;
    while (place >= ends[i]!) i++;
    return this.#targets[i]!;
  }
}

/** Without a salt, so that who is on the canary of one route is on those of the others too. */
function placeOf(exchange: Exchange, key: HashKey): number {
  return hash32(readHashKey(exchange, key) ?? exchange.clientAddress) / HASHES;
}
