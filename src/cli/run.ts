// `sluice run`: the gateway of a configuration, or of the demo where there is none. Runs in the CLI.

import { existsSync } from "node:fs";
import { loadConfig, loadConfigText } from "../config/load.ts";
import { stampOf } from "../config/pem-files.ts";
import { Demo } from "./demo.ts";
import { runInForeground } from "./foreground.ts";

const DEFAULT_FILE = "sluice.yaml";

export interface RunArguments {
  readonly config?: string | undefined;
  /** Goes over to the configuration and to the code of apps as they change. */
  readonly watch?: boolean | undefined;
}

/** Resolves with the exit code when the gateway ended. */
export async function run({ config, watch = false }: RunArguments): Promise<number> {
  const file = config ?? (existsSync(DEFAULT_FILE) ? DEFAULT_FILE : null);
  if (file === null) return await runDemo(watch);
  return await runInForeground({
    source: () => loadConfig(file, process.env),
    watch,
    watchedFile: watch ? { path: file, stamp: stampOf(file) } : null,
    banner: () => "",
  });
}

async function runDemo(watch: boolean): Promise<number> {
  const demo = await Demo.start();
  try {
    return await runInForeground({
      source: () => loadConfigText(demo.config, "the demo", process.env),
      watch,
      watchedFile: null,
      banner: (address) => demo.banner(address),
    });
  } finally {
    demo.stop();
  }
}
