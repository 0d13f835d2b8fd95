// `console` of an app: each call is one line in the gateway's log, with its level and the id of the request. Runs in VMs.

import type { AsyncLocalStorage } from "node:async_hooks";
import { Console } from "node:console";
import type { InspectorConsole } from "node:inspector";
import { isLogOpen, type LogLevel, writeLog } from "./log.ts";
import type { Served } from "./served.ts";

/** Those that print whenever they are called: where nothing more gets into the log, not even their text is made. */
const PRINTING = {
  log: "info",
  info: "info",
  debug: "debug",
  trace: "debug",
  warn: "warn",
  error: "error",
  dir: "info",
  dirxml: "info",
  table: "info",
} as const satisfies Partial<Record<keyof Console, LogLevel>>;

/** Those that keep a state, and print now and then. */
const KEEPING = {
  assert: "warn",
  count: "info",
  countReset: "warn",
  group: "info",
  groupCollapsed: "info",
  groupEnd: "info",
  time: "warn",
  timeEnd: "info",
  timeLog: "info",
} as const satisfies Partial<Record<keyof Console, LogLevel>>;

type Call = (...values: unknown[]) => void;

/**
 * `requests` knows for which exchange the code runs; null where that is not tracked. `devtools` is what a debugger shows, or
 * null.
 */
export function installConsole(
  requests: AsyncLocalStorage<Served> | null,
  devtools: InspectorConsole | null,
): void {
  let level: LogLevel = "info";
  const stream = {
    write(text: string): boolean {
      const served = requests?.getStore();
      const request = served === undefined ? "" : served.link.requestId(served.stream);
      writeLog(level, text.endsWith("\n") ? text.slice(0, -1) : text, request);
      return true;
    },
  } as NodeJS.WritableStream;
  const plain = new Console({ stdout: stream, stderr: stream, ignoreErrors: false });

  function replace(
    name: keyof typeof PRINTING | keyof typeof KEEPING,
    own: LogLevel,
    isPrinting: boolean,
  ): void {
    const call = plain[name] as Call;
    const shown = devtools === null ? undefined : (Reflect.get(devtools, name) as Call | undefined);
    const replaced: Call = (...values) => {
      shown?.(...values);
      if (isPrinting && !isLogOpen()) return;
      // What is shown may log on its own, while it is shown.
      const before = level;
      level = own;
      try {
        call(...values);
      } finally {
        level = before;
      }
    };
    Object.defineProperty(replaced, "name", { value: name });
    console[name] = replaced as never;
  }
  for (const [name, own] of Object.entries(PRINTING)) replace(name as keyof typeof PRINTING, own, true);
  for (const [name, own] of Object.entries(KEEPING)) replace(name as keyof typeof KEEPING, own, false);
}
