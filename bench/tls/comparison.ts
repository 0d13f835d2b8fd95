// A comparison of proxies over TLS from the command line to the results: what bench/tls and bench/http2 have in common.

import { parseArgs } from "node:util";
import { type Certificate, makeCertificate } from "../lib/certificate.ts";
import { type Cores, splitCores } from "../lib/cores.ts";
import { describeMachine } from "../lib/machine.ts";
import { measure, type Sample } from "../lib/measure.ts";
import { describe, writeResults } from "../lib/report.ts";
import { runRounds } from "../lib/rounds.ts";
import { createScratchFolder } from "../lib/scratch.ts";
import type { Server } from "../lib/server.ts";
import type { Load, LoadReport } from "../lib/wrk.ts";
import { EXCHANGES, type ExchangeName } from "../proxy/cases.ts";
import { caseTable, cpuRatio, errorCount, formatRatio } from "../proxy/summary.ts";
import { CONTESTANTS, startContestant } from "./contestants.ts";

const WARM_UP_SECONDS = 1;

export interface TlsCase {
  readonly exchange: ExchangeName;
  readonly connections: number;
  /** Requests under way on each connection. */
  readonly streams: number;
  readonly rounds: number;
  readonly seconds: number;
}

export interface Comparison {
  /** Of the files of results. */
  readonly name: string;
  readonly title: string;
  readonly fullCases: readonly TlsCase[];
  readonly quickCases: readonly TlsCase[];
  /** The case that the floor is about, as a beginning of its title. */
  readonly headline: string;
  /** Who is compared with whom there, and what that should give. */
  readonly verdicts: ReadonlyArray<readonly [name: string, reference: string, expected: string]>;
  /** Throws unless the server does the work that is compared. */
  readonly verify: (server: Server, certificate: Certificate) => Promise<void>;
  readonly run: (load: Load, streams: number, folder: string) => Promise<LoadReport>;
}

interface CaseResult {
  readonly case: TlsCase;
  /** By contestant; one sample a round. */
  readonly samples: Readonly<Record<string, readonly Sample[]>>;
}

/** `--quick`, `--without NAME`, `--case TEXT`. A full run writes results; a quick or partial one only prints. */
export async function compare(comparison: Comparison): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      without: { type: "string", multiple: true, default: [] },
      case: { type: "string", default: "" },
    },
  });
  const names = Object.keys(CONTESTANTS).filter((name) => !options.without.includes(name));
  const all = options.quick ? comparison.quickCases : comparison.fullCases;
  const cases = all.filter((test) => caseTitle(test).includes(options.case));
  if (cases.length === 0) throw new Error(`Cannot find a case with "${options.case}" in its title`);
  const startedAt = new Date();
  const machine = describeMachine();
  const cores = splitCores();
  const folder = createScratchFolder();
  const introduction = describe(machine, startedAt);
  console.log(`${introduction}\n`);

  const certificate = makeCertificate(folder);
  await using stack = new AsyncDisposableStack();
  const servers: Server[] = [];
  for (const name of names) servers.push(stack.use(await startContestant(name, folder, cores, certificate)));
  for (const server of servers) await comparison.verify(server, certificate);
  const results: CaseResult[] = [];
  for (const test of cases) {
    const result = await runCase(comparison, test, servers, { cores, folder });
    console.log(`${section(result)}\n`);
    results.push(result);
  }
  const conclusion = conclude(comparison, results);
  console.log(conclusion);
  if (results.length === comparison.fullCases.length && !options.quick && options.without.length === 0) {
    const head = `# ${comparison.title}\n\n${introduction}\nHow to read this: [bench/README.md](../README.md).`;
    const markdown = `${[head, conclusion, ...results.map(section)].join("\n\n")}\n`;
    writeResults(comparison.name, { startedAt, machine, cores, results }, markdown);
  }
  if (results.some(({ samples }) => errorCount(Object.values(samples).flat()) > 0)) process.exitCode = 1;
}

async function runCase(
  comparison: Comparison,
  test: TlsCase,
  servers: readonly Server[],
  { cores, folder }: { readonly cores: Cores; readonly folder: string },
): Promise<CaseResult> {
  const { connections, streams } = test;
  const load = { ...EXCHANGES[test.exchange], scheme: "https", connections, cores: cores.load } as const;
  const run = (server: Server, seconds: number): Promise<Sample> => {
    return measure(server, { ...load, seconds }, (whole) => comparison.run(whole, streams, folder));
  };
  for (const server of servers) await run(server, WARM_UP_SECONDS);
  const samples = await runRounds(servers, test.rounds, (server) => run(server, test.seconds));
  return {
    case: test,
    samples: Object.fromEntries(servers.map(({ name }, index) => [name, samples[index] ?? []])),
  };
}

function caseTitle({ exchange, connections, streams, rounds, seconds }: TlsCase): string {
  const many = streams > 1 ? ` × ${streams} requests` : "";
  return `${exchange}, ${connections} ${connections === 1 ? "connection" : "connections"}${many} (${rounds} × ${seconds} s)`;
}

function section(result: CaseResult): string {
  return `## ${caseTitle(result.case)}\n\n${caseTable(result)}`;
}

/** How the floor and the targets stand, how many requests failed, and how quiet the machine was. */
function conclude({ headline, verdicts }: Comparison, results: readonly CaseResult[]): string {
  const lines: string[] = [];
  const about = results.find((result) => caseTitle(result.case).startsWith(headline));
  for (const [name, reference, expected] of verdicts) {
    const ratio = about === undefined ? null : cpuRatio(about, name, reference);
    if (ratio !== null)
      lines.push(`- ${name}, CPU per request × ${reference}: **${formatRatio(ratio)}** (${expected})`);
  }
  const samples = results.flatMap((result) => Object.values(result.samples).flat());
  const requests = samples.reduce((sum, sample) => sum + sample.wrk.requests, 0);
  lines.push(`- errors: ${errorCount(samples)} in ${requests} requests`);
  const steal = Math.max(...samples.map((sample) => sample.steal));
  lines.push(`- most that the host took of a run: ${(100 * steal).toFixed(1)} %`);
  return lines.join("\n");
}
