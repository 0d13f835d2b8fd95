// The `sluice` command: reads the command line and runs one command.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { check } from "./check.ts";
import { hashPassword } from "./hash-password.ts";
import { Misuse } from "./misuse.ts";
import { run } from "./run.ts";
import { DEFAULT_INSPECT, serve } from "./serve.ts";

const USAGE = `Usage: sluice <command> [options]

Commands:
  run             run the gateway (without -c: ./sluice.yaml, else a demo)
  serve FILE      run one handler behind a gateway, without a configuration
  check           report every problem of a configuration
  hash-password   ask for a password, and print its hash for basic_auth

Options:
  -c, --config FILE   the configuration (run, check)
  -w, --watch         go over to changed code at once, and to a changed configuration (serve, run)
  -h, --help          this text
      --version       the version of Sluice

Options of serve:
  -p, --port PORT             8080 without it; 0 for any that is free
      --host HOST             127.0.0.1 without it; 0.0.0.0 for every address of the machine
      --env NAME=VALUE        a variable of \`env\`; may be repeated
      --allow-net             the handler may use the network
      --allow-read PATH       it may read a file or folder; may be repeated
      --allow-write PATH      it may write one; may be repeated
      --allow-run             it may start processes
      --inspect[=HOST:PORT]   open the debugger, at ${DEFAULT_INSPECT} without an address

Signals of a running gateway:
  SIGHUP              reload the configuration
  SIGUSR2             open the log files again
  SIGTERM, SIGINT     end what is under way, then exit
`;

const OPTIONS = {
  config: { type: "string", short: "c" },
  watch: { type: "boolean", short: "w" },
  port: { type: "string", short: "p" },
  host: { type: "string" },
  env: { type: "string", multiple: true },
  "allow-net": { type: "boolean" },
  "allow-read": { type: "string", multiple: true },
  "allow-write": { type: "string", multiple: true },
  "allow-run": { type: "boolean" },
  inspect: { type: "string" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean" },
} as const;

type Values = ReturnType<typeof parseCommandLine>["values"];

interface Command {
  /** What it takes beside --help and --version. */
  readonly options: readonly (keyof typeof OPTIONS)[];
  run(values: Values, operands: readonly string[]): Promise<number>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  run: {
    options: ["config", "watch"],
    run(values, operands) {
      refuse(operands[0]);
      return run(values);
    },
  },
  serve: {
    options: [
      "watch",
      "port",
      "host",
      "env",
      "allow-net",
      "allow-read",
      "allow-write",
      "allow-run",
      "inspect",
    ],
    run(values, [entry, more]) {
      if (entry === undefined) throw new Misuse("serve what? Expected the file of a handler");
      refuse(more);
      return serve({ ...values, entry });
    },
  },
  check: {
    options: ["config"],
    run(values, operands) {
      refuse(operands[0]);
      return check(values);
    },
  },
  "hash-password": {
    options: [],
    run(_values, operands) {
      // It is probably the password.
      if (operands.length > 0)
        throw new Misuse(
          "hash-password takes no argument: it asks for the password, or reads it from standard input",
        );
      return hashPassword();
    },
  },
};

async function main(): Promise<number> {
  const { values, positionals } = parseCommandLine();
  if (values.version === true) {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [name, ...operands] = positionals;
  if (name === undefined) throw new Misuse("no command");
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) throw new Misuse(`there is no command "${name}"`);
  for (const option of Object.keys(values)) {
    if (!command.options.some((known) => known === option))
      throw new Misuse(`--${option} is no option of "${name}"`);
  }
  return await command.run(values, operands);
}

function parseCommandLine() {
  // The only option whose value may be left out.
  const args = process.argv
    .slice(2)
    .map((arg) => (arg === "--inspect" ? `--inspect=${DEFAULT_INSPECT}` : arg));
  try {
    return parseArgs({ args, allowPositionals: true, options: OPTIONS });
  } catch (error) {
    throw new Misuse(error instanceof Error ? error.message : String(error));
  }
}

function refuse(operand: string | undefined): void {
  if (operand !== undefined) throw new Misuse(`"${operand}" is one argument too many`);
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return (manifest as { version: string }).version;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof Misuse)) throw error;
  process.stderr.write(`sluice: ${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
