// Runs h2load once, on the load's cores, and reads what it counted: HTTP/2 over TLS.

import { execFile } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { pinned } from "./server.ts";
import { quantile } from "./statistics.ts";
import type { Load, LoadReport } from "./wrk.ts";

export interface Http2Load extends Load {
  /** Requests that each connection has under way. */
  readonly streams: number;
  /** For what h2load writes, and for the body that it reads. */
  readonly folder: string;
}

export async function runH2load(load: Http2Load): Promise<LoadReport> {
  const log = join(load.folder, "h2load.log");
  const body = join(load.folder, "h2load.body");
  if (load.bodyBytes > 0) writeFileSync(body, "x".repeat(load.bodyBytes));
  const [command = "", ...args] = pinned(load.cores, [
    "h2load",
    "--threads=1",
    `--clients=${load.connections}`,
    `--max-concurrent-streams=${load.streams}`,
    `--duration=${load.seconds}`,
    `--log-file=${log}`,
    ...(load.bodyBytes > 0 ? [`--data=${body}`] : []),
    `https://127.0.0.1:${load.port}${load.path}`,
  ]);
  rmSync(log, { force: true });
  const { stdout } = await promisify(execFile)(command, args);
  return parseH2loadReport(stdout, readFileSync(log, "latin1"));
}

/** `log` has a line for each request: when it began, its status, and how long it took, in µs. */
export function parseH2loadReport(stdout: string, log: string): LoadReport {
  const read = (pattern: RegExp): number => {
    const found = pattern.exec(stdout)?.[1];
    if (found === undefined) throw new Error(`Cannot find ${pattern} in what h2load printed:\n${stdout}`);
    return Number(found);
  };
  const protocol = /^Application protocol: (.*)$/m.exec(stdout)?.[1];
  const requests = read(/^requests: .*, (\d+) done,/m);
  if (requests === 0 || protocol !== "h2")
    throw new Error(
      `Cannot measure HTTP/2: ${requests} requests over ${protocol}. h2load printed:\n${stdout}`,
    );
  const times = log
    .trimEnd()
    .split("\n")
    .map((line) => Number(line.split("\t")[2]));
  return {
    requests,
    micros: read(/^finished in ([\d.]+)m?s,/m) * (/^finished in [\d.]+ms/m.test(stdout) ? 1e3 : 1e6),
    bytes: read(/^traffic: \S+ \((\d+)\) total,/m),
    p50Micros: quantile(times, 0.5),
    p99Micros: quantile(times, 0.99),
    errors: {
      connect: 0,
      read: read(/, (\d+) errored,/),
      write: 0,
      timeout: read(/, (\d+) timeout$/m),
      // Failed ones are those of status 400 and above, and those that were reset.
      status: read(/, (\d+) failed,/),
    },
  };
}
