// `node bench/proxy/run.ts [--quick] [--without NAME] [--case TEXT]`: what a proxied request costs, beside nginx and
// HAProxy. A full run writes bench/results/proxy.json and .md; a quick or partial one only prints.

import { statSync, truncateSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Cores, splitCores } from "../lib/cores.ts";
import { describeMachine } from "../lib/machine.ts";
import { measure, type Sample } from "../lib/measure.ts";
import { describe, writeResults } from "../lib/report.ts";
import { runRounds } from "../lib/rounds.ts";
import { createScratchFolder } from "../lib/scratch.ts";
import { type Case, EXCHANGES, fullCases, quickCases } from "./cases.ts";
import { CONTESTANTS, type ProxyServer, startContestant } from "./contestants.ts";
import { type CaseResult, caseTable, caseTitle, errorCount, verdict } from "./summary.ts";
import { verifyContestant } from "./verify.ts";

const WARM_UP_SECONDS = 1;

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    without: { type: "string", multiple: true, default: [] },
    case: { type: "string", default: "" },
  },
});
const names = Object.keys(CONTESTANTS).filter((name) => !options.without.includes(name));
const startedAt = new Date();
const machine = describeMachine();
const cores = splitCores();
const folder = createScratchFolder();

const introduction = describe(machine, startedAt);
console.log(`${introduction}\n`);
const cases = (options.quick ? quickCases() : fullCases()).filter((test) =>
  caseTitle(test).includes(options.case),
);
if (cases.length === 0) throw new Error(`Cannot find a case with "${options.case}" in its title`);
const results = await runCases(cases);
const conclusion = verdict(results);
console.log(conclusion);
if (results.length === fullCases().length && options.without.length === 0) {
  writeResults("proxy", { startedAt, machine, cores, results }, toMarkdown(results));
}
if (results.some(({ samples }) => errorCount(Object.values(samples).flat()) > 0)) process.exitCode = 1;

async function runCases(cases: readonly Case[]): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const [logged, group] of Map.groupBy(cases, (test) => test.logged)) {
    await using stack = new AsyncDisposableStack();
    const servers: ProxyServer[] = [];
    for (const name of names) {
      servers.push(stack.use(await startContestant(name, folder, cores, logged)));
    }
    for (const server of servers) await verifyContestant(server);
    for (const test of group) {
      const result = await runCase(test, servers, cores);
      console.log(`### ${caseTitle(test)}\n\n${caseTable(result)}\n`);
      results.push(result);
    }
  }
  return results;
}

async function runCase(test: Case, servers: readonly ProxyServer[], { load }: Cores): Promise<CaseResult> {
  const run = (server: ProxyServer, seconds: number): Promise<Sample> =>
    measure(server, { ...EXCHANGES[test.exchange], connections: test.connections, seconds, cores: load });
  for (const server of servers) await run(server, WARM_UP_SECONDS);
  const samples = await runRounds(servers, test.rounds, async (server) => {
    const sample = await run(server, test.seconds);
    if (server.accessLog !== null) emptyLog(server.accessLog);
    return sample;
  });
  return {
    case: test,
    samples: Object.fromEntries(servers.map(({ name }, index) => [name, samples[index] ?? []])),
  };
}

/** Keeps the disk from filling, and refuses a contestant that logged nothing. */
function emptyLog(path: string): void {
  const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (bytes === 0) throw new Error(`Cannot compare with the access log on: nothing is in ${path}`);
  truncateSync(path);
}

function toMarkdown(results: readonly CaseResult[]): string {
  const tables = results.map((result) => `## ${caseTitle(result.case)}\n\n${caseTable(result)}\n`);
  return `# Proxy: CPU per request\n\n${introduction}\nHow to read this: [bench/README.md](../README.md).\n\n${conclusion}\n\n${tables.join("\n")}`;
}
