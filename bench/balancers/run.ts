// `node bench/balancers/run.ts`: what one pick of each balancer costs at 2, 16 and 256 backends. About 20 s on one core;
// writes bench/results/balancers.json and .md. Exits with 1 where a pick among 16 takes more than 1 µs.

import { describeMachine } from "../lib/machine.ts";
import { describe, table, writeResults } from "../lib/report.ts";
import { runRounds } from "../lib/rounds.ts";
import { lowerQuartile, quantile } from "../lib/statistics.ts";
import { allCases, type Case, SIZES } from "./cases.ts";

const ROUNDS = 12;
const WARM_UP_MS = 60;
const SAMPLE_MS = 20;
const MOST_NS_AT_16 = 1000;
/** Between two looks at the clock. */
const BATCH = 256;

interface Result extends Pick<Case, "title" | "size"> {
  /** CPU time of the process, nanoseconds per pick, one a round. */
  readonly samples: readonly number[];
}

const startedAt = new Date();
const machine = describeMachine();
const introduction = describe(machine, startedAt);
const cases = allCases();
for (const test of cases) measure(test, WARM_UP_MS);
const samples = await runRounds(cases, ROUNDS, async (test) => measure(test, SAMPLE_MS));
const results = cases.map(({ title, size }, i): Result => ({ title, size, samples: samples[i] ?? [] }));
const slow = results.filter(({ size, samples }) => {
  return size === 16 && lowerQuartile(samples) > MOST_NS_AT_16;
});
const markdown = toMarkdown();
console.log(markdown);
writeResults("balancers", { startedAt, machine, results }, markdown);
for (const { title } of slow) console.error(`${title}: expected at most ${MOST_NS_AT_16} ns at 16 backends`);
if (slow.length > 0) process.exitCode = 1;

/** Nanoseconds of CPU time per pick, over about `ms`. */
function measure({ balancer, backends, exchanges }: Case, ms: number): number {
  const before = process.cpuUsage();
  const end = performance.now() + ms;
  let picks = 0;
  /** Used, or the compiler might leave the work out. */
  let indexes = 0;
  while (performance.now() < end) {
    for (let i = 0; i < BATCH; i++)
      indexes += balancer.pick(exchanges[i % exchanges.length]!, backends).index;
    picks += BATCH;
  }
  const { user, system } = process.cpuUsage(before);
  if (indexes < 0) throw new Error(`Cannot pick a backend at ${indexes}: expected an index`);
  return ((user + system) * 1000) / picks;
}

function toMarkdown(): string {
  const titles = [...new Set(results.map(({ title }) => title))];
  const rows = titles.map((title) => [
    title,
    ...SIZES.map((size) => {
      const found = results.find((result) => result.title === title && result.size === size);
      const samples = found?.samples ?? [];
      return `${lowerQuartile(samples).toFixed(0)} (${quantile(samples, 0.75).toFixed(0)})`;
    }),
  ]);
  const verdict =
    slow.length === 0
      ? `None takes more than ${MOST_NS_AT_16} ns among 16.`
      : `Above ${MOST_NS_AT_16} ns among 16: ${slow.map(({ title }) => title).join(", ")}.`;
  return `# Balancers: CPU per pick

${introduction}
Command: \`node bench/balancers/run.ts\`, on Node ${process.version}. ${verdict}

Nanoseconds of CPU time per pick, by the number of backends: the lower quartile of ${ROUNDS} interleaved rounds of ${SAMPLE_MS} ms, in
parentheses the upper one. All balancers run in one thread, so no call is compiled for one of them alone; one that is alone
in its thread is somewhat faster. Backends have weights, exchanges in flight, times and reports; *idle* ones have nothing,
so that all have the same score and take turns. 64 clients come in turn; \`consistent_hash\` reads a UUID from a field,
\`sticky\` a cookie among others. What the loop costs is in every number.

${table(["", ...SIZES.map((size) => `${size} backends`)], rows)}
`;
}
