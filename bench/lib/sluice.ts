// Starts the gateway from source, on the Node that the repository pins.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Launch, type Server, startServer } from "./server.ts";

export const REPOSITORY = join(import.meta.dirname, "../..");
export const PINNED_NODE = join(REPOSITORY, "node_modules/.bin/node");

/** `config` is YAML. `nodeOptions` go before the script. */
export function startSluice(
  folder: string,
  config: string,
  launch: Pick<Launch, "name" | "port" | "cores">,
  nodeOptions: readonly string[] = [],
): Promise<Server> {
  const file = join(folder, `${launch.name}.yaml`);
  writeFileSync(file, config);
  const command = [PINNED_NODE, ...nodeOptions, join(REPOSITORY, "src/cli/main.ts"), "run", "-c", file];
  return startServer({ ...launch, command, outputPath: join(folder, `${launch.name}.log`) });
}
