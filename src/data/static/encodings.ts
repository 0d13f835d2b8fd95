// Which of the files beside a file a client takes (RFC 9110 section 12.5.3). Pure; data threads.

import type { StaticEncoding } from "../../config/snapshot.ts";

export const EXTENSIONS: Readonly<Record<StaticEncoding, string>> = { br: ".br", zstd: ".zst", gzip: ".gz" };

const ELEMENT = /^([!#$%&'*+.^_`|~0-9a-z-]+)(?:[ \t]*;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?$/;

/**
 * The index in `available` of the encoding that the client likes best; of several, the first one. -1 for the file as it
 * is, also where the client takes nothing that there is.
 */
export function chooseEncoding(accepted: string, available: readonly StaticEncoding[]): number {
  const weights = new Map<string, number>();
  for (const element of accepted.toLowerCase().split(",")) {
    const [, name, weight = "1"] = ELEMENT.exec(element.trim()) ?? [];
    if (name !== undefined) weights.set(name === "x-gzip" ? "gzip" : name, Number(weight));
  }
  let best = -1;
  // What is not mentioned is still taken, but not as gladly as anything that is.
  let bestWeight = weights.get("identity") ?? 0;
  for (const [index, encoding] of available.entries()) {
    const weight = weights.get(encoding) ?? weights.get("*") ?? 0;
    // With the same weight, smaller is better.
    if (weight > bestWeight || (best < 0 && weight > 0 && weight === bestWeight)) {
      best = index;
      bestWeight = weight;
    }
  }
  return best;
}
