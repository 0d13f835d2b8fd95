// Reads the Dockerfile, as far as ours needs it. Runs in tests.

import { readFileSync } from "node:fs";

export interface Instruction {
  readonly name: string;
  /** `--from=package` and the like, by name. */
  readonly flags: ReadonlyMap<string, string>;
  readonly text: string;
}

export interface Stage {
  /** Of `FROM … AS name`; empty for the last one. */
  readonly name: string;
  readonly base: string;
  readonly instructions: readonly Instruction[];
}

export function readDockerfile(path: string): Stage[] {
  const stages: Array<Stage & { instructions: Instruction[] }> = [];
  for (const line of readFileSync(path, "utf8").split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const [, name = "", flags = "", text = ""] = /^([A-Z]+) ((?:--[\w-]+=\S+ )*)(.+)$/.exec(line) ?? [];
    if (name === "" || text.endsWith("\\")) throw new Error(`Cannot read ${JSON.stringify(line)}`);
    if (name === "FROM") {
      const [base = "", , stage = ""] = text.split(" ");
      stages.push({ name: stage, base, instructions: [] });
      continue;
    }
    const pairs = [...flags.matchAll(/--([\w-]+)=(\S+)/g)].map(([, key, value]) => [key!, value!] as const);
    stages.at(-1)?.instructions.push({ name, flags: new Map(pairs), text });
  }
  return stages;
}

/** The texts of the instructions of that name. */
export function textsOf(stage: Stage, name: string): string[] {
  return stage.instructions.filter((found) => found.name === name).map(({ text }) => text);
}
