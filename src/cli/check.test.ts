// What `sluice check` prints, and its exit code. Runs in the test process.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { type TestContext, test } from "node:test";
import { check } from "./check.ts";

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `%` stands for the file's name. */
async function checkText(context: TestContext, text: string | null): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-check-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const config = join(folder, "sluice.yaml");
  if (text !== null) writeFileSync(config, text);
  const stdout = new PassThrough({ encoding: "utf8" });
  const stderr = new PassThrough({ encoding: "utf8" });
  const code = await check({ config }, { stdout, stderr });
  const read = (stream: PassThrough) => String(stream.read() ?? "").replaceAll(config, "%");
  return { code, stdout: read(stdout), stderr: read(stderr) };
}

test("a sound file passes with the number of its routes and upstreams", async (context) => {
  const text =
    "backends: { web: [{ host: a, port: 1 }] }\nrouting: { a: { upstream: web }, b: { upstream: web } }";
  assert.deepEqual(await checkText(context, text), {
    code: 0,
    stdout: "%: ok (2 routes, 1 upstream)\n",
    stderr: "",
  });
});

test("warnings do not fail a file", async (context) => {
  const outcome = await checkText(context, "routing: {}");
  assert.equal(outcome.code, 0);
  assert.equal(outcome.stderr, "%:1:1: warning: routing: no routes: every request is answered with 404\n");
});

test("every problem is printed, without colour where there is no terminal", async (context) => {
  assert.deepEqual(await checkText(context, "server: { port: 80a }\nroutng: {}"), {
    code: 1,
    stdout: "",
    stderr: [
      '%:1:17: server.port: cannot use "80a": expected a whole number from 0 to 65535',
      '%:2:1: routng: unknown key "routng": did you mean "routing"?',
      "%: 2 problems",
      "",
    ].join("\n"),
  });
});

test("a file that is not there is a problem like any other", async (context) => {
  const { code, stderr } = await checkText(context, null);
  assert.equal(code, 1);
  assert.equal(stderr, "%: cannot read the file: there is none of this name\n%: 1 problem\n");
});
