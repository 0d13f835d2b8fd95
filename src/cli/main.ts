// The `sluice` command: reads the command line and runs one command.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { check } from "./check.ts";
import { hashPassword } from "./hash-password.ts";
import { run } from "./run.ts";

const USAGE = `Usage: sluice <command> [options]

Commands:
  run             run the gateway (without -c: ./sluice.yaml, else a demo)
  check           report every problem of a configuration
  hash-password   ask for a password, and print its hash for basic_auth

Options:
  -c, --config FILE   the configuration
  -h, --help          this text
      --version       the version of Sluice

Signals of a running gateway:
  SIGHUP              reload the configuration
  SIGUSR2             open the log files again
  SIGTERM, SIGINT     end what is under way, then exit
`;

const HASH_PASSWORD = "hash-password";

const COMMANDS: Readonly<Record<string, (args: { config?: string }) => Promise<number>>> = {
  run,
  check,
  [HASH_PASSWORD]: () => hashPassword(),
};

async function main(): Promise<number> {
  let parsed: ReturnType<typeof parseCommandLine>;
  try {
    parsed = parseCommandLine();
  } catch (error) {
    return misuse(error instanceof Error ? error.message : String(error));
  }
  const { values, positionals } = parsed;
  if (values.version === true) {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [name, ...rest] = positionals;
  if (name === undefined) return misuse("no command");
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) return misuse(`there is no command "${name}"`);
  // It is probably the password.
  if (rest.length > 0 && name === HASH_PASSWORD)
    return misuse(
      "hash-password takes no argument: it asks for the password, or reads it from standard input",
    );
  if (rest[0] !== undefined) return misuse(`"${rest[0]}" is one argument too many`);
  return await command(values.config === undefined ? {} : { config: values.config });
}

function parseCommandLine() {
  return parseArgs({
    allowPositionals: true,
    options: {
      config: { type: "string", short: "c" },
      help: { type: "boolean", short: "h" },
      version: { type: "boolean" },
    },
  });
}

function misuse(message: string): number {
  process.stderr.write(`sluice: ${message}\n\n${USAGE}`);
  return 2;
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return (manifest as { version: string }).version;
}

process.exitCode = await main();
