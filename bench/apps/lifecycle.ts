// `node bench/apps/lifecycle.ts`: how long an app with one VM is away when that is killed or hangs, with and without a
// spare, and what the spare takes. A request is sent at that moment and waits for the next VM. About 2 min; writes
// bench/results/apps-lifecycle.json and .md. Exits with 1 where a target is missed.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { splitCores } from "../lib/cores.ts";
import { firstAnswer } from "../lib/first-answer.ts";
import { describeMachine } from "../lib/machine.ts";
import { describe, table, writeResults } from "../lib/report.ts";
import { runRounds } from "../lib/rounds.ts";
import { createScratchFolder } from "../lib/scratch.ts";
import { freePort } from "../lib/server.ts";
import { startSluice } from "../lib/sluice.ts";
import { median, quantile } from "../lib/statistics.ts";

const ROUNDS = 10;
const HANG_TIMEOUT_MS = 1000;

const HANDLER = `export default (request: Request) => {
  const { pathname } = new URL(request.url);
  if (pathname === "/hang") for (;;);
  return Response.json({ path: pathname });
};
`;

interface Case {
  readonly title: string;
  readonly spare: boolean;
  readonly deed: "kill" | "hang";
  /** At most so many ms, or null where there is no target. */
  readonly mostMs: number | null;
}

const CASES: readonly Case[] = [
  { title: "killed, with a spare", spare: true, deed: "kill", mostMs: 100 },
  { title: "killed: a cold start", spare: false, deed: "kill", mostMs: 100 },
  { title: "hung, with a spare", spare: true, deed: "hang", mostMs: HANG_TIMEOUT_MS + 100 },
  { title: "hung", spare: false, deed: "hang", mostMs: HANG_TIMEOUT_MS + 100 },
];

interface Vm {
  readonly pid: number;
  readonly state: string;
  readonly rss: number;
}

interface Sample {
  readonly ms: number;
  readonly vmBytes: readonly number[];
}

const startedAt = new Date();
const machine = describeMachine({});
const folder = createScratchFolder();
const { server, load } = splitCores();
writeFileSync(join(folder, "handler.ts"), HANDLER);

const samples = await runRounds(CASES, ROUNDS, measure);
const missed = CASES.filter(({ mostMs }, i) => mostMs !== null && median(msOf(i)) > mostMs);
const markdown = toMarkdown();
console.log(markdown);
writeResults("apps-lifecycle", { startedAt, machine, cases: CASES, samples }, markdown);
for (const { title, mostMs } of missed) console.error(`${title}: expected at most ${mostMs} ms`);
if (missed.length > 0) process.exitCode = 1;

/** A gateway for each sample: VMs that end soon after one another are started after longer and longer pauses. */
async function measure({ spare, deed }: Case): Promise<Sample> {
  const port = await freePort();
  const adminPort = await freePort();
  const config = `server: { host: 127.0.0.1, port: ${port}, workers: 1 }
admin: { port: ${adminPort} }
apps:
  bench: { entry: "${join(folder, "handler.ts")}", spare: ${spare}, timeout: 30s, hang_timeout: ${HANG_TIMEOUT_MS}ms }
routing: { bench: { app: bench } }
`;
  await using gateway = await startSluice(folder, config, {
    name: "sluice",
    port,
    cores: `${load},${server}`,
  });
  const url = `http://127.0.0.1:${port}`;
  await firstAnswer(`${url}/`);
  const vms = await steadyVms(adminPort, spare ? 2 : 1);
  const begun = performance.now();
  if (deed === "kill") process.kill(vms.find(({ state }) => state === "serving")!.pid, "SIGKILL");
  else {
    // What becomes of the request that hangs is another matter.
    void fetch(`${url}/hang`).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  while (!(await fetch(`${url}/after`)).ok);
  const ms = performance.now() - begun;
  void gateway;
  return { ms, vmBytes: vms.map(({ rss }) => rss) };
}

/** When there are so many, and each was looked at. */
async function steadyVms(adminPort: number, count: number): Promise<readonly Vm[]> {
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${adminPort}/api/v1/apps`);
    const { apps } = (await response.json()) as {
      readonly apps: ReadonlyArray<{ readonly vms: readonly Vm[] }>;
    };
    const ready = apps[0]!.vms.filter(({ state, rss }) => state !== "starting" && rss > 0);
    if (ready.length === count) return ready;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function msOf(index: number): number[] {
  return samples[index]!.map(({ ms }) => ms);
}

function toMarkdown(): string {
  const rows = CASES.map(({ title, mostMs }, i) => {
    const ms = msOf(i);
    const target = mostMs === null ? "" : `${mostMs} ${median(ms) <= mostMs ? "holds" : "MISSED"}`;
    return [title, quantile(ms, 0).toFixed(0), median(ms).toFixed(0), quantile(ms, 1).toFixed(0), target];
  });
  const megabytes = samples.flat().flatMap(({ vmBytes }) => vmBytes.map((bytes) => bytes / 2 ** 20));
  return `# Apps: when a VM ends

${describe(machine, startedAt)}
Command: \`node bench/apps/lifecycle.ts\`.

Milliseconds from the moment in which the only VM of an app is killed, or begins an endless loop (\`hang_timeout\` ${HANG_TIMEOUT_MS} ms),
to the answer of a request that is sent right after it. ${ROUNDS} rounds, interleaved, a gateway of its own for each. A cold start
is that of the process and of the app, without the bundling.

${table(["", "least", "median", "most", "target"], rows)}

A VM of this app takes ${median(megabytes).toFixed(0)} MB: so much does a spare cost.
`;
}
