// From samples to tables: lower quartiles, medians, ratios paired by round, and how they stand to what was expected.

import type { Sample } from "./measure.ts";
import { table } from "./report.ts";
import { lowerQuartile, median, pairedRatios, quantile } from "./statistics.ts";

/** By contestant; one sample a round. */
export type Samples = Readonly<Record<string, readonly Sample[]>>;

export interface CaseResult<Test extends { readonly title: string }> {
  readonly case: Test;
  readonly samples: Samples;
}

/** CPU per request of one contestant as a multiple of another's: the median over the rounds, and its quartiles. */
export interface Ratio {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** What a ratio should be in a case. */
export interface Expectation {
  /** Title of the case. */
  readonly about: string;
  readonly contestant: string;
  readonly reference: string;
  readonly target?: number;
  /** More than this is a failure of the project. */
  readonly floor?: number;
  readonly remark?: string;
}

export const CONTROL = "the control: 1 where nothing disturbs";

/** Null where one of them took no part, or both are the same. */
export function cpuRatio(samples: Samples, contestant: string, reference: string): Ratio | null {
  const ours = samples[contestant];
  const theirs = samples[reference];
  if (ours === undefined || theirs === undefined || contestant === reference) return null;
  const ratios = pairedRatios(ours.map(cpu), theirs.map(cpu));
  return { median: median(ratios), low: quantile(ratios, 0.25), high: quantile(ratios, 0.75) };
}

export function caseTable({ samples }: { samples: Samples }, references: readonly string[]): string {
  const ratios = references.map((name) => `× ${name}`);
  const header = ["", "CPU µs/request", ...ratios, "busy", "requests/s", "p99 ms", "RSS MB", "errors"];
  const rows = Object.entries(samples).map(([name, own]) => [
    name,
    lowerQuartile(own.map(cpu)).toFixed(2),
    ...references.map((reference) => formatRatio(cpuRatio(samples, name, reference))),
    `${(100 * median(own.map((sample) => sample.busy))).toFixed(0)} %`,
    median(own.map((sample) => sample.requestsPerSecond)).toFixed(0),
    (median(own.map((sample) => sample.wrk.p99Micros)) / 1e3).toFixed(1),
    (median(own.map((sample) => sample.rssBytes)) / 2 ** 20).toFixed(0),
    String(errorCount(own)),
  ]);
  return table(header, rows);
}

/** How the ratios stand to what was expected of them, how many requests failed, and how quiet the machine was. */
export function conclude(
  expectations: readonly Expectation[],
  results: ReadonlyArray<CaseResult<{ readonly title: string }>>,
): string {
  const rows = expectations.flatMap((expectation) => {
    const result = results.find((each) => each.case.title === expectation.about);
    const ratio =
      result === undefined ? null : cpuRatio(result.samples, expectation.contestant, expectation.reference);
    return ratio === null ? [] : [expectationRow(expectation, ratio)];
  });
  const samples = results.flatMap((result) => Object.values(result.samples).flat());
  const requests = samples.reduce((sum, sample) => sum + sample.wrk.requests, 0);
  const steal = Math.max(...samples.map((sample) => sample.steal));
  const lines = [
    `- errors: ${errorCount(samples)} in ${requests} requests`,
    `- most that the host took of a run: ${(100 * steal).toFixed(1)} %`,
  ].join("\n");
  if (rows.length === 0) return lines;
  return `${table(["CPU per request", "ratio", "target", "at most", "remark"], rows)}\n\n${lines}`;
}

function expectationRow(expectation: Expectation, ratio: Ratio): string[] {
  const { about, contestant, reference, target, floor, remark = "" } = expectation;
  const judge = (limit: number | undefined) =>
    limit === undefined ? "" : `${limit} ${ratio.median <= limit ? "holds" : "MISSED"}`;
  return [`${about}: ${contestant} × ${reference}`, formatRatio(ratio), judge(target), judge(floor), remark];
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
