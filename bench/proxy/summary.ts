// From samples to the table of a case: lower quartiles, medians, and ratios paired by round.

import type { Sample } from "../lib/measure.ts";
import { table } from "../lib/report.ts";
import { lowerQuartile, median, pairedRatios, quantile } from "../lib/statistics.ts";
import { type Case, isHeadline } from "./cases.ts";
import { REFERENCES } from "./contestants.ts";

export interface CaseResult {
  readonly case: Case;
  /** By contestant; one sample a round. */
  readonly samples: Readonly<Record<string, readonly Sample[]>>;
}

/** CPU per request of `name` as a multiple of `reference`'s: the median over the rounds, and its quartiles. */
export interface Ratio {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export function cpuRatio(result: Pick<CaseResult, "samples">, name: string, reference: string): Ratio | null {
  const ours = result.samples[name];
  const theirs = result.samples[reference];
  if (ours === undefined || theirs === undefined || name === reference) return null;
  const ratios = pairedRatios(ours.map(cpu), theirs.map(cpu));
  return { median: median(ratios), low: quantile(ratios, 0.25), high: quantile(ratios, 0.75) };
}

export function caseTable(result: Pick<CaseResult, "samples">): string {
  const header = [
    "",
    "CPU µs/request",
    ...REFERENCES.map((name) => `× ${name}`),
    "busy",
    "requests/s",
    "p99 ms",
    "errors",
  ];
  const rows = Object.entries(result.samples).map(([name, samples]) => [
    name,
    lowerQuartile(samples.map(cpu)).toFixed(2),
    ...REFERENCES.map((reference) => formatRatio(cpuRatio(result, name, reference))),
    `${(100 * median(samples.map((sample) => sample.busy))).toFixed(0)} %`,
    median(samples.map((sample) => sample.requestsPerSecond)).toFixed(0),
    (median(samples.map((sample) => sample.wrk.p99Micros)) / 1e3).toFixed(1),
    String(errorCount(samples)),
  ]);
  return table(header, rows);
}

export function caseTitle({ exchange, connections, logged, rounds, seconds }: Case): string {
  const log = logged ? ", access log on" : "";
  return `${exchange}, ${connections} ${connections === 1 ? "connection" : "connections"}${log} (${rounds} × ${seconds} s)`;
}

/** Who is compared with whom in the case that the floor is about, and what that should give. */
const VERDICTS = [
  ["sluice", "nginx", "at most 1.6, target 1.35"],
  ["sluice", "haproxy", "target 1.2"],
  ["nginx again", "nginx", "the control: 1 where nothing disturbs"],
] as const;

/** How the floor and the targets stand, how many requests failed, and how quiet the machine was. */
export function verdict(results: readonly CaseResult[]): string {
  const lines: string[] = [];
  const headline = results.find((result) => isHeadline(result.case));
  for (const [name, reference, expected] of VERDICTS) {
    const ratio = headline === undefined ? null : cpuRatio(headline, name, reference);
    if (ratio !== null)
      lines.push(`- ${name}, CPU per request × ${reference}: **${formatRatio(ratio)}** (${expected})`);
  }
  const samples = results.flatMap((result) => Object.values(result.samples).flat());
  const requests = samples.reduce((sum, sample) => sum + sample.wrk.requests, 0);
  lines.push(`- errors: ${errorCount(samples)} in ${requests} requests`);
  lines.push(
    `- most that the host took of a run: ${(100 * Math.max(...samples.map(({ steal }) => steal))).toFixed(1)} %`,
  );
  return lines.join("\n");
}

export function errorCount(samples: readonly Sample[]): number {
  return samples.reduce((sum, sample) => sum + sample.errors, 0);
}

export function formatRatio(ratio: Ratio | null): string {
  return ratio === null
    ? ""
    : `${ratio.median.toFixed(2)} (${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)})`;
}

function cpu(sample: Sample): number {
  return sample.cpuMicrosPerRequest;
}
