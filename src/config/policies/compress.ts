// The policy `compress`: which responses are compressed, and how. Runs anywhere.

import { z } from "zod";
import { choice, size, textLike, truth } from "../values.ts";

const ENCODINGS = ["zstd", "br", "gzip"] as const;
const LEVELS = ["fast", "balanced", "small"] as const;

export interface CompressSpec {
  /** In the order of preference. */
  readonly encodings: readonly CompressEncoding[];
  readonly types: readonly TypePattern[];
  readonly minBytes: number;
  readonly level: (typeof LEVELS)[number];
}

export type CompressEncoding = (typeof ENCODINGS)[number];

/** A media type in lower case: what it begins and ends with where it has a `*`, else the whole of it and null. */
export type TypePattern = readonly [start: string, end: string | null];

const STANDARD_TYPES = [
  "text/*",
  "application/json",
  "application/*+json",
  "application/x-ndjson",
  "application/xml",
  "application/*+xml",
  "application/javascript",
  "application/wasm",
  "image/svg+xml",
  "font/ttf",
  "font/otf",
];

const TYPE = /^[a-z0-9!#$&^_.+-]+\/(?:[a-z0-9!#$&^_.+-]+|\*(?:\+[a-z0-9]+)?)$/i;

export const compressSchema = z
  .strictObject({
    enabled: truth().prefault(true).describe("`false` turns it off and keeps the section."),
    encodings: z
      .array(choice(ENCODINGS))
      .min(1, { error: "expected at least one" })
      .prefault([...ENCODINGS])
      .describe("Encodings, the one that is preferred where a client takes several as gladly first."),
    types: z
      .array(textLike(TYPE, "expected a media type such as text/html, text/* or application/*+json"))
      .min(1, { error: "expected at least one" })
      .prefault(STANDARD_TYPES)
      .describe("Content types that are compressed. Event streams never are."),
    min_size: size(0)
      .prefault("1kb")
      .describe("Shorter responses are left as they are, where their length is known."),
    level: choice(LEVELS)
      .prefault("balanced")
      .describe(
        "How much time is spent on it: `fast`, `balanced`, or `small` for content that seldom changes.",
      ),
  })
  .describe("Compresses responses for clients that take it (docs/policies/compress.md).");

export function compileCompress(config: z.output<typeof compressSchema>): CompressSpec {
  return {
    encodings: [...new Set(config.encodings)],
    types: config.types.map((type): TypePattern => {
      const [start = "", end = null] = type.toLowerCase().split("*");
      return [start, end];
    }),
    minBytes: config.min_size,
    level: config.level,
  };
}
