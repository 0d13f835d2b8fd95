// `node bench/static/run.ts [--quick] [--without NAME] [--case TEXT]`: what a file costs, beside nginx. A full run writes
// bench/results/static.json and .md; a quick or partial one only prints.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { splitCores } from "../lib/cores.ts";
import { describeMachine } from "../lib/machine.ts";
import { measure, type Sample } from "../lib/measure.ts";
import { describe, table, writeResults } from "../lib/report.ts";
import { runRounds } from "../lib/rounds.ts";
import { createScratchFolder } from "../lib/scratch.ts";
import type { Server } from "../lib/server.ts";
import { lowerQuartile, median } from "../lib/statistics.ts";
import { cpuRatio, errorCount, formatRatio } from "../proxy/summary.ts";
import { CONTESTANTS, FILES, startContestant, writeFiles } from "./contestants.ts";

const CONNECTIONS = 64;
const WARM_UP_SECONDS = 1;
const START_TIMEOUT_MS = 15_000;

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    without: { type: "string", multiple: true, default: [] },
    case: { type: "string", default: "" },
  },
});
const [rounds, seconds] = options.quick ? [4, 1] : [12, 2];
const names = Object.keys(CONTESTANTS).filter((name) => !options.without.includes(name));
const cases = Object.keys(FILES).filter((file) => file.includes(options.case));
if (cases.length === 0) throw new Error(`Cannot find a file with "${options.case}" in its name`);
const startedAt = new Date();
const machine = describeMachine();
const cores = splitCores();
const folder = createScratchFolder();
const root = join(folder, "files");
mkdirSync(root);
writeFiles(root);
console.log(`${describe(machine, startedAt)}\n`);

type Samples = Readonly<Record<string, readonly Sample[]>>;

const results: Record<string, Samples> = {};
await using stack = new AsyncDisposableStack();
const servers: Server[] = [];
for (const name of names) servers.push(stack.use(await startContestant(name, folder, root, cores)));
for (const server of servers) await verify(server);
for (const file of cases) {
  results[file] = await runCase(file);
  console.log(`${section(file, results[file])}\n`);
}
const all = Object.values(results).flatMap((samples) => Object.values(samples).flat());
const conclusion = `- errors: ${errorCount(all)} in ${all.reduce((sum, { wrk }) => sum + wrk.requests, 0)} requests\n- most that the host took of a run: ${(100 * Math.max(...all.map(({ steal }) => steal))).toFixed(1)} %`;
console.log(conclusion);
if (!options.quick && options.case === "" && options.without.length === 0) {
  const sections = Object.entries(results).map(([file, samples]) => section(file, samples));
  const markdown = `# Static files: CPU per request\n\n${describe(machine, startedAt)}\nHow to read this: [bench/README.md](../README.md).\n\n${conclusion}\n\n${sections.join("\n\n")}\n`;
  writeResults("static", { startedAt, machine, cores, results }, markdown);
}
if (errorCount(all) > 0) process.exitCode = 1;

/** Throws unless every file arrives whole. */
async function verify({ name, port }: Server): Promise<void> {
  for (const [file, bytes] of Object.entries(FILES)) {
    const response = await firstAnswer(`http://127.0.0.1:${port}/${file}`);
    const body = Buffer.from(await response.arrayBuffer());
    assert.ok(body.equals(Buffer.alloc(bytes, "x")), `${name}: ${file}`);
    assert.match(response.headers.get("etag") ?? "", /^"/, `${name}: ETag of ${file}`);
    assert.ok(response.headers.has("last-modified"), `${name}: Last-Modified of ${file}`);
  }
}

/** The gateway tries its port before it opens it for good: for a moment it may answer, and then not yet. */
async function firstAnswer(url: string): Promise<Response> {
  const giveUpAt = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      return await fetch(url);
    } catch (error) {
      if (performance.now() > giveUpAt) throw error;
      await delay(50);
    }
  }
}

async function runCase(file: string): Promise<Samples> {
  const load = { method: "GET", path: `/${file}`, bodyBytes: 0, connections: CONNECTIONS } as const;
  const run = (server: Server, duration: number): Promise<Sample> =>
    measure(server, { ...load, seconds: duration, cores: cores.load });
  for (const server of servers) await run(server, WARM_UP_SECONDS);
  const samples = await runRounds(servers, rounds, (server) => run(server, seconds));
  return Object.fromEntries(servers.map(({ name }, index) => [name, samples[index] ?? []]));
}

function section(file: string, samples: Samples): string {
  const header = ["", "CPU µs/request", "× nginx", "busy", "requests/s", "p99 ms", "errors"];
  const rows = Object.entries(samples).map(([name, own]) => [
    name,
    lowerQuartile(own.map((sample) => sample.cpuMicrosPerRequest)).toFixed(2),
    formatRatio(cpuRatio({ samples }, name, "nginx")),
    `${(100 * median(own.map((sample) => sample.busy))).toFixed(0)} %`,
    median(own.map((sample) => sample.requestsPerSecond)).toFixed(0),
    (median(own.map((sample) => sample.wrk.p99Micros)) / 1e3).toFixed(1),
    String(errorCount(own)),
  ]);
  return `## ${file}, ${CONNECTIONS} connections (${rounds} × ${seconds} s)\n\n${table(header, rows)}`;
}
