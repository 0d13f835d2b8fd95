// The policy `rate_limit`: how many requests a key may have in a time. Runs anywhere.

import { z } from "zod";
import { atKey, type Findings } from "../finding.ts";
import { type HashKey, hashKey, hashKeyText } from "../hash-key.ts";
import { lacks } from "../settings.ts";
import type { SourceNode } from "../tree.ts";
import { readText, text, truth, wholeNumber } from "../values.ts";
import type { PolicyContext } from "./policy-context.ts";

export interface RateLimitSpec {
  /** All of them must let a request pass, or none is charged with it. */
  readonly rules: readonly RateRule[];
  /** Leading bits of an IPv6 address that make one client. */
  readonly ipv6Bits: number;
  /** Responses tell how much is left. */
  readonly tells: boolean;
  /** What would be refused goes on, and is only counted and logged. */
  readonly dryRun: boolean;
}

export interface RateRule {
  /** In RateLimit and RateLimit-Policy. */
  readonly name: string;
  readonly requests: number;
  readonly periodMs: number;
  readonly burst: number;
  readonly by: HashKey | { readonly from: "all" };
  /** Keys that there is room for. */
  readonly keys: number;
  /** Names the counts: a rule that has the same id after a reload goes on with them. */
  readonly id: string;
  /** Of core/shared/rate-table.ts. Null until the control thread makes it. */
  readonly shared: SharedArrayBuffer | null;
}

const MS_PER_UNIT = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const MOST_REQUESTS = 1_000_000;
const MOST_PERIOD_MS = 30 * MS_PER_UNIT.d;

export interface RateValue {
  readonly requests: number;
  readonly periodMs: number;
}

const EXPECTED_RATE =
  "expected requests per time such as 10/s, 600/m, 1000/h or 5/10s (1 to 1000000 requests, up to 30 days)";

function rate() {
  return readText(EXPECTED_RATE, (text) => {
    const [, requests, count, unit] = /^(\d{1,7})\/(\d{0,7})([smhd])$/.exec(text) ?? [];
    const value: RateValue = {
      requests: Number(requests),
      periodMs: Number(count || 1) * MS_PER_UNIT[unit as keyof typeof MS_PER_UNIT],
    };
    const isSound =
      value.requests >= 1 &&
      value.requests <= MOST_REQUESTS &&
      value.periodMs >= 1000 &&
      value.periodMs <= MOST_PERIOD_MS;
    return isSound ? { value } : { problem: EXPECTED_RATE };
  }).meta({ title: "rate", examples: ["10/s", "600/m", "1000/h", "5/10s"] });
}

const BY =
  "What is counted together: `client`, `path`, `all`, `header:<name>`, `cookie:<name>` or `query:<name>`.";

const RATE = "Requests in a time, as in `10/s`, `600/m`, `1000/h` or `5/10s`.";

const rule = {
  burst: wholeNumber(1, MOST_REQUESTS)
    .optional()
    .describe("Requests that may come at once after a pause. Without it, as many as `rate` has."),
  by: hashKeyText(["client", "path", "all"]).prefault("client").describe(BY),
  name: text()
    .regex(/^[\x20-\x7e]{1,64}$/, { error: "expected up to 64 ASCII characters" })
    .optional()
    .describe("Name in RateLimit and RateLimit-Policy. Without it, `default`, `default-2` …"),
};

export const rateLimitSchema = z
  .strictObject({
    enabled: truth().prefault(true).describe("`false` turns it off and keeps the section."),
    rate: rate().optional().describe(RATE),
    ...rule,
    and: z
      .array(z.strictObject({ rate: rate().describe(RATE), ...rule }))
      .prefault([])
      .describe("More limits. A request must pass all of them; one that does not is counted by none."),
    ipv6_prefix: wholeNumber(16, 128)
      .prefault(64)
      .describe("Leading bits of an IPv6 address that make one client: a subscriber has a whole network."),
    keys: wholeNumber(16, 4_000_000)
      .prefault(100_000)
      .describe("Clients or keys that are counted at the same time, by each limit."),
    headers: truth().prefault(true).describe("Responses have RateLimit and RateLimit-Policy."),
    dry_run: truth().prefault(false).describe("Refuses nothing: only counts and logs what it would refuse."),
  })
  .describe(
    "Refuses requests beyond a rate with 429, exactly over all data threads (docs/policies/rate-limit.md).",
  );

type RateLimitConfig = z.output<typeof rateLimitSchema>;
type RuleConfig = RateLimitConfig["and"][number];

export function compileRateLimit(config: RateLimitConfig, { owner }: PolicyContext): RateLimitSpec {
  const { ipv6_prefix: ipv6Bits, keys, and } = config;
  const compileRule = ({ rate, burst, by, name }: RuleConfig, index: number): RateRule => {
    const counted = {
      ...rate,
      burst: burst ?? rate.requests,
      by: by === "all" ? ({ from: by } as const) : hashKey(by),
      keys: by === "all" ? 1 : keys,
    };
    // The counts of one limit mean nothing to another.
    const id = JSON.stringify([owner, index, counted, ipv6Bits]);
    return { name: name ?? (index === 0 ? "default" : `default-${index + 1}`), ...counted, id, shared: null };
  };
  return {
    rules: [{ ...config, rate: config.rate! }, ...and].map(compileRule),
    ipv6Bits,
    tells: config.headers && !config.dry_run,
    dryRun: config.dry_run,
  };
}

export function* rateLimitProblems(policy: SourceNode): Findings {
  if (lacks(policy, ["rate"])) yield atKey(policy, `missing key "rate": ${EXPECTED_RATE}`);
}
