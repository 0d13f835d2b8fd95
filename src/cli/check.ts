// `sluice check`: reads a configuration and says what is wrong with it, without starting anything. Runs in the CLI.

import { styleText } from "node:util";
import { loadConfig } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";

export interface CheckArguments {
  /** Without it, `sluice.yaml` in the current folder. */
  readonly config?: string | undefined;
}

interface Terminal {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
}

/** Resolves to the exit code. */
export async function check(args: CheckArguments, { stdout, stderr }: Terminal = process): Promise<number> {
  const file = args.config ?? "sluice.yaml";
  const result = loadConfig(file, process.env);
  if (!result.ok) {
    for (const problem of result.problems) stderr.write(`${formatProblem(problem)}\n`);
    stderr.write(
      `${styleText("red", `${file}: ${count(result.problems.length, "problem")}`, { stream: stderr })}\n`,
    );
    return 1;
  }
  const label = styleText("yellow", "warning", { stream: stderr });
  for (const warning of result.warnings) stderr.write(`${formatProblem(warning, label)}\n`);
  const { routes, upstreams } = result.snapshot;
  const summary = `ok (${count(routes.length, "route")}, ${count(upstreams.length, "upstream")})`;
  stdout.write(`${file}: ${styleText("green", summary, { stream: stdout })}\n`);
  return 0;
}

function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? "" : "s"}`;
}
