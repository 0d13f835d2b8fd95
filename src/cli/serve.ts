// `sluice serve FILE`: one handler behind a gateway, without a configuration. Runs in the CLI.

import { statSync } from "node:fs";
import { basename, extname } from "node:path";
import { type LoadResult, loadConfigText } from "../config/load.ts";
import { readFault } from "../config/pem-files.ts";
import { quote } from "../config/problem.ts";
import { runInForeground } from "./foreground.ts";
import { Misuse } from "./misuse.ts";

export interface ServeArguments {
  readonly entry: string;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly watch?: boolean | undefined;
  /** HOST:PORT of the debugger. */
  readonly inspect?: string | undefined;
  /** NAME=VALUE each. */
  readonly env?: readonly string[] | undefined;
  readonly "allow-net"?: boolean | undefined;
  readonly "allow-read"?: readonly string[] | undefined;
  readonly "allow-write"?: readonly string[] | undefined;
  readonly "allow-run"?: boolean | undefined;
}

export const DEFAULT_INSPECT = "127.0.0.1:9229";
const DEFAULT_PORT = 8080;
/** At a breakpoint everything takes as long as a person does. */
const A_DAY = "24h";

/** Resolves with the exit code when the gateway ended. */
export async function serve(args: ServeArguments): Promise<number> {
  const fault = entryFault(args.entry);
  if (fault !== null) {
    process.stderr.write(`sluice: cannot serve ${quote(args.entry)}: ${fault}\n`);
    return 1;
  }
  const config = configOf(args);
  const inspect = args.inspect === undefined ? null : inspectAddress(args.inspect);
  return await runInForeground({
    source: () => withDebugger(loadConfigText(config, "sluice serve", process.env), inspect),
    watch: args.watch === true,
    watchedFile: null,
    banner: (address) => banner(args, address),
  });
}

function configOf(args: ServeArguments): string {
  const { entry } = args;
  const name = basename(entry, extname(entry));
  const isDebugged = args.inspect !== undefined;
  const app = {
    entry,
    errors: "detailed",
    env: Object.fromEntries((args.env ?? []).map(variable)),
    permissions: {
      net: args["allow-net"] === true,
      read: args["allow-read"] ?? [],
      write: args["allow-write"] ?? [],
      run: args["allow-run"] === true,
    },
    // The debugger of a VM in a network of its own could not be reached.
    ...(isDebugged
      ? { timeout: A_DAY, start_timeout: A_DAY, queue: { timeout: A_DAY }, isolation: "none" }
      : {}),
  };
  const route = { app: name, ...(isDebugged ? { timeouts: { idle: A_DAY, sse_idle: A_DAY } } : {}) };
  const config = {
    server: { host: args.host ?? "127.0.0.1", port: portOf(args.port), workers: 1 },
    apps: { [name]: app },
    routing: { [name]: route },
  };
  return JSON.stringify(config, (_key, value: unknown) =>
    typeof value === "string" ? escaped(value) : value,
  );
}

/** In a configuration a dollar and a brace begin the name of a variable. */
function escaped(text: string): string {
  return text.replaceAll("${", () => "$${");
}

function entryFault(entry: string): string | null {
  try {
    return statSync(entry).isFile() ? null : "expected a file with a handler";
  } catch (error) {
    return readFault(error);
  }
}

function portOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_PORT;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new Misuse(
    `cannot use the port ${quote(text)}: expected a number from 0 (any that is free) to 65535`,
  );
}

function variable(text: string): [name: string, value: string] {
  const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text);
  if (match === null)
    throw new Misuse(
      `cannot use --env ${quote(text)}: expected NAME=VALUE, the name of letters, digits and _`,
    );
  return [match[1]!, match[2]!];
}

function inspectAddress(text: string): { host: string; port: number } {
  const match = /^(?:(.+):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[2] ?? Number.NaN);
  if (port <= 65_535) return { host: (match?.[1] ?? "127.0.0.1").replace(/^\[(.*)\]$/, "$1"), port };
  throw new Misuse(`cannot use --inspect=${text}: expected HOST:PORT such as ${DEFAULT_INSPECT}, or a port`);
}

function withDebugger(loaded: LoadResult, inspect: { host: string; port: number } | null): LoadResult {
  if (!loaded.ok || inspect === null) return loaded;
  const apps = loaded.snapshot.apps.map((plan) => ({ ...plan, inspect }));
  const again = () => withDebugger(loaded.again(), inspect);
  return { ...loaded, snapshot: { ...loaded.snapshot, apps }, again };
}

function banner({ entry, watch }: ServeArguments, address: string): string {
  return `\n  ${entry} answers at ${address}/${watch ? ", anew with every change of its code" : ""}. Ctrl-C stops.\n\n`;
}
