// Runs wrk once, on the load's cores, and reads what it counted. wrk.lua is its other half.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { pinned } from "./server.ts";

export interface Load {
  readonly port: number;
  readonly path: string;
  readonly method: "GET" | "POST";
  readonly bodyBytes: number;
  /** A file of JSON to send as the body, in place of `bodyBytes` times the same letter. */
  readonly jsonFile?: string;
  readonly connections: number;
  readonly seconds: number;
  readonly cores: string;
  /** Without it, `http`. */
  readonly scheme?: "https";
}

export interface LoadReport {
  readonly requests: number;
  /** Length of the run. */
  readonly micros: number;
  readonly bytes: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
  /** `status` counts responses of 400 and above; the others are failures of a connection. */
  readonly errors: Readonly<Record<"connect" | "read" | "write" | "timeout" | "status", number>>;
}

const SCRIPT = join(import.meta.dirname, "wrk.lua");
/** A response this late is an error. Longer than one SYN retransmission, shorter than a hang. */
const TIMEOUT_SECONDS = 8;

export async function runWrk(load: Load): Promise<LoadReport> {
  const [command = "", ...args] = pinned(load.cores, [
    "wrk",
    "--threads=1",
    `--connections=${load.connections}`,
    `--duration=${load.seconds}s`,
    `--timeout=${TIMEOUT_SECONDS}s`,
    `--script=${SCRIPT}`,
    `${load.scheme ?? "http"}://127.0.0.1:${load.port}${load.path}`,
    "--",
    load.method,
    String(load.bodyBytes),
    ...(load.jsonFile === undefined ? [] : [load.jsonFile]),
  ]);
  const { stdout } = await promisify(execFile)(command, args);
  return parseWrkReport(stdout);
}

export function parseWrkReport(stdout: string): LoadReport {
  const line = /^report (\{.*\})$/m.exec(stdout)?.[1];
  if (line === undefined) throw new Error(`Cannot find the report in what wrk printed:\n${stdout}`);
  return JSON.parse(line);
}

export function countErrors(report: LoadReport): number {
  return Object.values(report.errors).reduce((sum, count) => sum + count, 0);
}
