// Reads what a test gives as the configuration of its gateway, and fits it to a test: free ports of 127.0.0.1, and nothing
// that changes the process around it. Runs in the user's tests.

import { fileURLToPath } from "node:url";
import type { z } from "zod";
import { type LoadResult, loadConfig, loadConfigText } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import type { configSchema } from "../config/schema/config.ts";

/** The same keys and values as in `sluice.yaml`. */
export type Configuration = z.input<typeof configSchema>;

type AppConfiguration = NonNullable<Configuration["apps"]>[string];

/** One handler that answers everything, with the settings of an app beside it. */
export interface HandlerConfiguration extends Omit<AppConfiguration, "entry"> {
  /** The file: a path from the folder that the test runs in, or `new URL("./hello.ts", import.meta.url)`. */
  readonly handler: string | URL;
}

/**
 * A configuration as an object, or one handler; a text is YAML where it has a colon before a space or a line end, and else
 * the path of a file; a URL is that of a file.
 */
export type Given = Configuration | HandlerConfiguration | string | URL;

export type Loaded = Extract<LoadResult, { ok: true }>;

const NAME = "the configuration";
/** The name of the app and of the route of a handler alone. */
const APP = "handler";

/** Throws an error with every problem that the configuration has. */
export function loadGiven(given: Given): Loaded {
  const result = read(given);
  if (result.ok) return fitted(result);
  const lines = result.problems.map((problem) => `  ${formatProblem(problem)}`);
  throw new Error(`Cannot use the configuration of the test gateway:\n${lines.join("\n")}`);
}

function read(given: Given): LoadResult {
  if (given instanceof URL) return loadConfig(fileURLToPath(given), process.env);
  if (typeof given === "string") {
    return /:(?:\s|$)/.test(given)
      ? loadConfigText(given, NAME, process.env)
      : loadConfig(given, process.env);
  }
  if (typeof given !== "object" || given === null)
    throw new TypeError(`Cannot use ${String(given)} as a configuration: expected an object, text or a URL`);
  const result = loadConfigText(textOf("handler" in given ? configurationOf(given) : given), NAME, {});
  if (result.ok) return result;
  // Lines and columns would be those of a text that nobody has seen.
  return { ok: false, problems: result.problems.map((problem) => ({ ...problem, line: 0 })) };
}

function configurationOf({ handler, ...settings }: HandlerConfiguration): object {
  if (typeof handler === "function" || (typeof handler === "object" && !(handler instanceof URL))) {
    throw new TypeError(
      `Cannot use a ${typeof handler} as a handler: expected the path of its file, because handlers run in processes of their own`,
    );
  }
  return {
    apps: { [APP]: { errors: "detailed", ...settings, entry: handler } },
    routing: { [APP]: { app: APP } },
  };
}

/** JSON is YAML. What an object holds is meant as it is: nothing in it is a variable of the environment. */
function textOf(configuration: object): string {
  const text = JSON.stringify(configuration, function (this: Record<string, unknown>, key, value: unknown) {
    const original = this[key];
    return original instanceof URL && original.protocol === "file:" ? fileURLToPath(original) : value;
  });
  return text.replaceAll("${", () => "$${");
}

function fitted(loaded: Loaded): Loaded {
  const { snapshot, gateway } = loaded;
  const listeners = snapshot.server.listeners.map((listener) => ({
    ...listener,
    host: "127.0.0.1",
    port: 0,
  }));
  // Standard output is the report of the tests.
  const accessLog = snapshot.accessLog?.path == null ? null : snapshot.accessLog;
  return {
    ...loaded,
    snapshot: { ...snapshot, server: { ...snapshot.server, listeners }, accessLog },
    gateway: {
      ...gateway,
      workers: gateway.workers === "auto" ? 1 : gateway.workers,
      reusePort: false,
      runAs: null,
      shutdownTimeoutMs: 0,
      admin: gateway.admin === null ? null : { ...gateway.admin, host: "127.0.0.1", port: 0 },
    },
    again: () => {
      const again = loaded.again();
      return again.ok ? fitted(again) : again;
    },
  };
}
