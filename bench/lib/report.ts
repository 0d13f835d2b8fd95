// Writes results: JSON with every sample for programs, Markdown for people.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Machine } from "./machine.ts";
import { REPOSITORY } from "./sluice.ts";

const RESULTS = join(REPOSITORY, "bench/results");

/** Replaces bench/results/`name`.json and .md; what they said before is in the history of the repository. */
export function writeResults(name: string, data: unknown, markdown: string): void {
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(join(RESULTS, `${name}.json`), `${JSON.stringify(data, null, 1)}\n`);
  writeFileSync(join(RESULTS, `${name}.md`), markdown);
}

/** Columns as wide as their widest cell; the first is aligned left, numbers after it right. */
export function table(header: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const widths = header.map((title, column) =>
    Math.max(3, title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const pad = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  const line = (cells: readonly string[]) => `| ${cells.map(pad).join(" | ")} |`;
  const rule = widths.map((width, column) =>
    column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  return [line(header), line(rule), ...rows.map(line)].join("\n");
}

export function describe(machine: Machine, startedAt: Date): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  return [
    `Measured ${startedAt.toISOString().slice(0, 16).replace("T", " ")} UTC on ${machine.processor},`,
    `${machine.cores} cores, ${machine.memoryGb} GB, ${machine.system}, Linux ${machine.kernel}.`,
    `${versions.join(", ")}.`,
  ].join("\n");
}
