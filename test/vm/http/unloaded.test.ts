import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

describe("a process with the light classes in place", () => {
  it("loads Node's own with the first form, not before, and makes streams for who asks for them only", async () => {
    const { stdout } = await run(process.execPath, [fileURLToPath(new URL("light.ts", import.meta.url))]);
    const [hotPaths, mistakes, streaming, forms] = JSON.parse(stdout) as [boolean, boolean][];
    assert.deepEqual(
      { hotPaths, mistakes, streaming, forms: forms?.[0] },
      { hotPaths: [false, false], mistakes: [false, false], streaming: [false, true], forms: true },
    );
  });
});
