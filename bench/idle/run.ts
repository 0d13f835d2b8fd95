// `node bench/idle/run.ts [--quick] [--without NAME]`: what an idle keep-alive connection costs in resident memory.
// A full run writes bench/results/idle.json and .md; a quick one, or one that leaves somebody out, only prints.

import { parseArgs } from "node:util";
import { splitCores } from "../lib/cores.ts";
import { describeMachine } from "../lib/machine.ts";
import { type Memory, settledMemory } from "../lib/memory.ts";
import { describe, table, writeResults } from "../lib/report.ts";
import { runRounds } from "../lib/rounds.ts";
import { createScratchFolder } from "../lib/scratch.ts";
import { fitLine, median } from "../lib/statistics.ts";
import { runWrk } from "../lib/wrk.ts";
import { startContestant } from "../proxy/contestants.ts";
import { startCrowd } from "./crowd.ts";

const LEVELS = [2000, 4000, 8000];
/** RSS of Node moves at collections, and an idle thread makes none: it is stable at once or after the next one. */
const QUIET_MS = 5000;
const SETTLE_TIMEOUT_MS = 60_000;
const FLOOR_KB = 4.5;

/** One per level, in the order of LEVELS. */
type Readings = readonly Memory[];

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    without: { type: "string", multiple: true, default: [] },
  },
});
const names = ["sluice", "nginx", "haproxy"].filter((name) => !options.without.includes(name));
const startedAt = new Date();
const machine = describeMachine();
const cores = splitCores();
const folder = createScratchFolder();

const rounds = await measureAll(options.quick ? 1 : 3);
const markdown = toMarkdown();
console.log(markdown);
if (!options.quick && options.without.length === 0) {
  writeResults("idle", { startedAt, machine, cores, levels: LEVELS, rounds }, markdown);
}

/** Readings of every round by contestant. */
async function measureAll(count: number): Promise<Record<string, readonly Readings[]>> {
  const readings = await runRounds(names, count, climb);
  return Object.fromEntries(names.map((name, index) => [name, readings[index] ?? []]));
}

/** A fresh process, warmed up so that code and young generation have their working size, then the levels in turn. */
async function climb(name: string): Promise<Readings> {
  await using server = await startContestant(name, { folder }, cores);
  const request = { path: "/small", method: "GET", bodyBytes: 0 } as const;
  await runWrk({ ...request, port: server.port, connections: 64, seconds: 2, cores: cores.load });
  using crowd = startCrowd(server.port, cores.load);
  const readings: Memory[] = [];
  for (const level of LEVELS) {
    await crowd.hold(level);
    readings.push(await settledMemory(server.pid, QUIET_MS, SETTLE_TIMEOUT_MS));
    // Whoever closed a connection in the meantime would look cheap: this throws.
    await crowd.hold(level);
  }
  return readings;
}

/** Bytes per connection. */
function slope(readings: Readings, kind: keyof Memory): number {
  return fitLine(LEVELS.map((level, index) => [level, readings[index]?.[kind] ?? Number.NaN] as const)).slope;
}

function toMarkdown(): string {
  const levels = LEVELS.map((level) => `MB at ${level}`);
  const header = ["", "KB/connection", "by round", "anonymous", ...levels];
  const rows = names.map((name) => {
    const all = rounds[name] ?? [];
    const slopes = all.map((readings) => slope(readings, "rss") / 1024);
    const anonymous = median(all.map((readings) => slope(readings, "anonymous") / 1024));
    const megabytes = LEVELS.map((_, index) =>
      median(all.map((readings) => (readings[index]?.rss ?? 0) / 2 ** 20)),
    );
    const byRound = slopes.map((kb) => kb.toFixed(2)).join(" ");
    return [
      name,
      median(slopes).toFixed(2),
      byRound,
      anonymous.toFixed(2),
      ...megabytes.map((mb) => mb.toFixed(1)),
    ];
  });
  return `# Idle connections: resident memory

${describe(machine, startedAt)}
How to read this: [bench/README.md](../README.md). The floor is ${FLOOR_KB} KB.

${table(header, rows)}
`;
}
