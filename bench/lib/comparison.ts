// A side-by-side benchmark from the command line to the results: who takes part and what is measured is each one's own.

import { parseArgs } from "node:util";
import { type Cores, splitCores } from "./cores.ts";
import { describeMachine, type Programs } from "./machine.ts";
import { measure, type Sample } from "./measure.ts";
import { describe, writeResults } from "./report.ts";
import { runRounds } from "./rounds.ts";
import type { Server } from "./server.ts";
import { type CaseResult, caseTable, conclude, type Expectation, errorCount } from "./summary.ts";
import { type Load, type LoadReport, runWrk } from "./wrk.ts";

/** One kind of load, put on every contestant. */
export interface Case {
  readonly title: string;
  readonly load: Omit<Load, "port" | "seconds" | "cores">;
  readonly rounds: number;
  readonly seconds: number;
  /** Cases of different setups get different servers. */
  readonly setup?: string;
}

export interface Comparison<Test extends Case> {
  /** Of the files of results. */
  readonly name: string;
  readonly title: string;
  /** What is held the same, or anything else that a reader must know first. */
  readonly foreword?: string;
  /** Whose versions are told; the proxies', if nothing else is said. */
  readonly programs?: Programs;
  readonly contestants: readonly string[];
  /** Contestants whose CPU per request all others' is divided by in the tables. */
  readonly references: readonly string[];
  readonly fullCases: readonly Test[];
  readonly quickCases: readonly Test[];
  readonly expectations: readonly Expectation[];
  /** Of load on each contestant before the first round of a case. */
  readonly warmUpSeconds?: number;
  readonly start: (contestant: string, cores: Cores, setup: string | undefined) => Promise<Server>;
  /** Throws unless the server does the work that is compared. */
  readonly verify: (server: Server) => Promise<void>;
  /** Puts the load on a server: wrk, if nothing else is said. */
  readonly run?: (load: Load, test: Test, server: Server) => Promise<LoadReport>;
}

/** `--quick`, `--only NAME`, `--without NAME`, `--case TEXT`. A full run writes results; another one only prints. */
export async function compare<Test extends Case>(comparison: Comparison<Test>): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      without: { type: "string", multiple: true, default: [] },
      case: { type: "string", default: "" },
    },
  });
  const names = chooseContestants(comparison.contestants, options.only, options.without);
  const all = options.quick ? comparison.quickCases : comparison.fullCases;
  const cases = all.filter((test) => heading(test).includes(options.case));
  if (cases.length === 0) throw new Error(`Cannot find a case with "${options.case}" in its title`);
  const startedAt = new Date();
  const machine = describeMachine(comparison.programs);
  const cores = splitCores();
  const introduction = [describe(machine, startedAt), ...(comparison.foreword ?? "").split("\n")]
    .join("\n")
    .trim();
  console.log(`${introduction}\n`);

  const results = await runCases(comparison, names, cases, cores);
  const conclusion = conclude(comparison.expectations, results);
  console.log(conclusion);
  if (results.length === comparison.fullCases.length && names.length === comparison.contestants.length) {
    const head = `# ${comparison.title}\n\n${introduction}\n\nHow to read this: [bench/README.md](../README.md).`;
    const sections = results.map((result) => section(comparison, result));
    const markdown = `${[head, conclusion, ...sections].join("\n\n")}\n`;
    if (!options.quick) writeResults(comparison.name, { startedAt, machine, cores, results }, markdown);
  }
  if (results.some(({ samples }) => errorCount(Object.values(samples).flat()) > 0)) process.exitCode = 1;
}

function chooseContestants(
  all: readonly string[],
  only: readonly string[],
  without: readonly string[],
): string[] {
  for (const name of [...only, ...without]) {
    if (!all.includes(name))
      throw new Error(`Cannot find a contestant "${name}": expected ${all.join(", ")}`);
  }
  return all.filter((name) => (only.length === 0 || only.includes(name)) && !without.includes(name));
}

async function runCases<Test extends Case>(
  comparison: Comparison<Test>,
  names: readonly string[],
  cases: readonly Test[],
  cores: Cores,
): Promise<CaseResult<Test>[]> {
  const results: CaseResult<Test>[] = [];
  for (const [setup, group] of Map.groupBy(cases, (test) => test.setup)) {
    await using stack = new AsyncDisposableStack();
    const servers: Server[] = [];
    for (const name of names) servers.push(stack.use(await comparison.start(name, cores, setup)));
    for (const server of servers) await comparison.verify(server);
    for (const test of group) {
      const result = await runCase(comparison, test, servers, cores);
      console.log(`${section(comparison, result)}\n`);
      results.push(result);
    }
  }
  return results;
}

async function runCase<Test extends Case>(
  comparison: Comparison<Test>,
  test: Test,
  servers: readonly Server[],
  cores: Cores,
): Promise<CaseResult<Test>> {
  const { run = runWrk, warmUpSeconds = 1 } = comparison;
  const runOnce = (server: Server, seconds: number): Promise<Sample> => {
    const load = { ...test.load, seconds, cores: cores.load };
    return measure(server, load, (whole) => run(whole, test, server));
  };
  for (const server of servers) await runOnce(server, warmUpSeconds);
  const samples = await runRounds(servers, test.rounds, (server) => runOnce(server, test.seconds));
  return {
    case: test,
    samples: Object.fromEntries(servers.map(({ name }, index) => [name, samples[index] ?? []])),
  };
}

function heading({ title, rounds, seconds }: Case): string {
  return `${title} (${rounds} × ${seconds} s)`;
}

function section<Test extends Case>({ references }: Comparison<Test>, result: CaseResult<Test>): string {
  return `## ${heading(result.case)}\n\n${caseTable(result, references)}`;
}
