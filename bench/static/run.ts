// `node bench/static/run.ts [--quick] [--only NAME] [--without NAME] [--case TEXT]`: what a file costs, beside nginx. A
// full run writes bench/results/static.json and .md; a quick or partial one only prints.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Case, compare } from "../lib/comparison.ts";
import { firstAnswer } from "../lib/first-answer.ts";
import { createScratchFolder } from "../lib/scratch.ts";
import type { Server } from "../lib/server.ts";
import { CONTROL } from "../lib/summary.ts";
import { CONTESTANTS, FILES, startContestant, writeFiles } from "./contestants.ts";

const CONNECTIONS = 64;

const folder = createScratchFolder();
const root = join(folder, "files");
mkdirSync(root);
writeFiles(root);

await compare({
  name: "static",
  title: "Static files: CPU per request",
  contestants: CONTESTANTS,
  references: ["nginx"],
  fullCases: Object.keys(FILES).map((file) => fileCase(file, 12, 2)),
  quickCases: Object.keys(FILES).map((file) => fileCase(file, 4, 1)),
  expectations: Object.keys(FILES).map((file) => {
    return { about: titleOf(file), contestant: "nginx again", reference: "nginx", remark: CONTROL };
  }),
  start: (name, cores) => startContestant(name, folder, root, cores),
  verify,
});

function fileCase(file: string, rounds: number, seconds: number): Case {
  const load = { method: "GET", path: `/${file}`, bodyBytes: 0, connections: CONNECTIONS } as const;
  return { title: titleOf(file), load, rounds, seconds };
}

function titleOf(file: string): string {
  return `${file}, ${CONNECTIONS} connections`;
}

/** Throws unless every file arrives whole. */
async function verify({ name, port }: Server): Promise<void> {
  for (const [file, bytes] of Object.entries(FILES)) {
    const response = await firstAnswer(`http://127.0.0.1:${port}/${file}`);
    const body = Buffer.from(await response.arrayBuffer());
    assert.ok(body.equals(Buffer.alloc(bytes, "x")), `${name}: ${file}`);
    assert.match(response.headers.get("etag") ?? "", /^"/, `${name}: ETag of ${file}`);
    assert.ok(response.headers.has("last-modified"), `${name}: Last-Modified of ${file}`);
  }
}
