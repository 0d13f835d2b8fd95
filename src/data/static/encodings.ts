// Which of the files beside a file a client takes (RFC 9110 section 12.5.3). Pure; data threads.

import type { StaticEncoding } from "../../config/snapshot.ts";

export const EXTENSIONS: Readonly<Record<StaticEncoding, string>> = { br: ".br", zstd: ".zst", gzip: ".gz" };

const ELEMENT = /^([!#$%&'*+.^_`|~0-9a-z-]+)(?:[ \t]*;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?$/;

type Weights = ReadonlyMap<string, number>;

/** What clients accept, by their own words: nearly all say the same, and it is read once. */
const known = new Map<string, Weights>();
const MOST_KNOWN = 64;

/**
 * The index in `available` of the encoding that the client likes best; of several, the first one. -1 for the file as it
 * is, also where the client takes nothing that there is.
 */
export function chooseEncoding(accepted: string, available: readonly StaticEncoding[]): number {
  let weights = known.get(accepted);
  if (weights === undefined) {
    weights = weightsOf(accepted);
    if (known.size === MOST_KNOWN) known.clear();
    // A copy: a part of a text holds all of it in memory, which is the head of a request.
    known.set(Buffer.from(accepted, "latin1").toString("latin1"), weights);
  }
  return best(weights, available);
}

function weightsOf(accepted: string): Weights {
  const weights = new Map<string, number>();
  for (const element of accepted.toLowerCase().split(",")) {
    const [, name, weight = "1"] = ELEMENT.exec(element.trim()) ?? [];
    if (name !== undefined) weights.set(name === "x-gzip" ? "gzip" : name, Number(weight));
  }
  return weights;
}

function best(weights: Weights, available: readonly StaticEncoding[]): number {
  let chosen = -1;
  // What is not mentioned is still taken, but not as gladly as anything that is.
  let most = weights.get("identity") ?? 0;
  for (let i = 0; i < available.length; i++) {
    const weight = weights.get(available[i]!) ?? weights.get("*") ?? 0;
    // With the same weight, smaller is better.
    if (weight > most || (chosen < 0 && weight > 0 && weight === most)) {
      chosen = i;
      most = weight;
    }
  }
  return chosen;
}
