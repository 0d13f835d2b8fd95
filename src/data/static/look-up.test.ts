// What is found at a path, and how it is known whether that is still so; with real files. Runs in the test process.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { StaticSpec } from "../../config/snapshot.ts";
import { FileRules } from "./file-rules.ts";
import { isUnchanged, type LookedUp, LookUp } from "./look-up.ts";
import { SMALL_FILE_BYTES } from "./representation.ts";

const root = mkdtempSync(join(tmpdir(), "sluice-look-up-"));
after(() => rmSync(root, { recursive: true }));
const at = (path: string) => join(root, path);
mkdirSync(at("folder"));

const SPEC: StaticSpec = {
  kind: "static",
  root,
  index: ["index.html"],
  spaFallback: null,
  encodings: ["gzip"],
  cacheControl: [],
  types: [],
  list: false,
  dotfiles: false,
  stripPrefix: null,
};

function look(path: string, spec: Partial<StaticSpec> = {}): Promise<LookedUp> {
  const whole = { ...SPEC, ...spec };
  return new LookUp(whole, new FileRules(whole)).at(path);
}

/** Looks until what was found is taken to be stable: until the files are old enough for that. */
async function lookUntilStable(path: string, spec: Partial<StaticSpec> = {}): Promise<LookedUp> {
  const until = performance.now() + 15_000;
  for (;;) {
    const looked = await look(path, spec);
    if (await isUnchanged(looked.looks)) return looked;
    assert.ok(performance.now() < until);
  }
}

describe("LookUp", () => {
  it("takes a file that has just changed for one that may change again", async () => {
    writeFileSync(at("fresh.txt"), "fresh");
    const { found, looks } = await look("/fresh.txt");
    assert.equal(found.kind, "file");
    assert.equal(await isUnchanged(looks), false);
  });

  for (const [what, path, spec, change] of [
    ["a file", "/a.txt", {}, () => writeFileSync(at("a.txt"), "b")],
    ["a neighbour", "/a.txt", {}, () => writeFileSync(at("a.txt.gz"), "gz")],
    ["nothing", "/nothing.txt", {}, () => writeFileSync(at("nothing.txt"), "")],
    ["a folder", "/folder", {}, () => rmSync(at("folder"), { recursive: true })],
    ["an index file that is not there", "/empty/", {}, () => writeFileSync(at("empty/index.html"), "")],
    ["a listing", "/listed/", { list: true }, () => writeFileSync(at("listed/x"), "")],
  ] as const) {
    it(`sees that ${what} changed`, async () => {
      mkdirSync(at("empty"), { recursive: true });
      mkdirSync(at("listed"), { recursive: true });
      writeFileSync(at("a.txt"), "a");
      const { looks } = await lookUntilStable(path, spec);
      assert.ok(await isUnchanged(looks));
      change();
      assert.equal(await isUnchanged(looks), false);
    });
  }

  it("keeps small files in memory, and large ones not", async () => {
    for (const [bytes, kept] of [
      [0, true],
      [SMALL_FILE_BYTES, true],
      [SMALL_FILE_BYTES + 1, false],
    ] as const) {
      writeFileSync(at("sized.bin"), Buffer.alloc(bytes));
      const { found } = await look("/sized.bin");
      assert.ok(found.kind === "file");
      assert.equal(found.plain.body?.length ?? -1, kept ? bytes : -1);
      assert.equal(found.plain.size, bytes);
    }
  });

  it("has the same ETag for the same bytes of small files, and another one for others", async () => {
    const tagOf = async (text: string) => {
      writeFileSync(at("tagged.txt"), text);
      const { found } = await look("/tagged.txt");
      assert.ok(found.kind === "file");
      return found.plain.etag;
    };
    const first = await tagOf("one");
    assert.notEqual(await tagOf("two"), first);
    assert.equal(await tagOf("one"), first);
  });
});
