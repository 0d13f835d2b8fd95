// The page that lists a folder. Runs in the test process.

import assert from "node:assert/strict";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { listFolder, MAX_LISTED } from "./listing.ts";

const folder = mkdtempSync(join(tmpdir(), "sluice-listing-"));
after(() => rmSync(folder, { recursive: true }));

async function page(names: readonly string[], path: string, dotfiles = false): Promise<string> {
  const place = mkdtempSync(join(folder, "x-"));
  for (const name of names) {
    if (name.endsWith("/")) mkdirSync(join(place, name));
    else writeFileSync(join(place, name), "");
  }
  const fd = openSync(place, "r");
  const text = (await listFolder(place, fd, path, dotfiles)).toString();
  closeSync(fd);
  return text;
}

const links = (text: string) =>
  [...text.matchAll(/<a href="([^"]*)">([^<]*)<\/a>/g)].map(([, to, name]) => `${to} ${name}`);

describe("listFolder", () => {
  it("has folders first, both in order", async () => {
    const text = await page(["b.txt", "a.txt", "z/", "y/", "B.txt"], "/");
    assert.deepEqual(links(text), ["./y/ y/", "./z/ z/", "./B.txt B.txt", "./a.txt a.txt", "./b.txt b.txt"]);
  });

  it("leads up, but not above the root", async () => {
    assert.deepEqual(links(await page([], "/a/")), ["../ ../"]);
    assert.deepEqual(links(await page([], "/")), []);
  });

  it("shows names as text, and leads to nothing but what is there", async () => {
    const text = await page(
      ["<script>alert(1)<", "javascript:alert(1)", "a\"b'c&d", "?q#h", "%41", "\u4e2d"],
      "/<b>&\"'/",
    );
    assert.match(text, /<title>Index of \/&lt;b&gt;&amp;&quot;&#39;\/<\/title>/);
    assert.doesNotMatch(text, /<script|<b>/);
    assert.deepEqual(links(text).slice(1), [
      "./%2541 %41",
      "./%3Cscript%3Ealert(1)%3C &lt;script&gt;alert(1)&lt;",
      "./%3Fq%23h ?q#h",
      "./a%22b'c%26d a&quot;b&#39;c&amp;d",
      "./javascript%3Aalert(1) javascript:alert(1)",
      "./%E4%B8%AD \u4e2d",
    ]);
  });

  it("hides dotfiles, unless they are wanted", async () => {
    assert.deepEqual(links(await page([".a", ".b/", "c"], "/")), ["./c c"]);
    assert.deepEqual(links(await page([".a", ".b/", "c"], "/", true)), ["./.b/ .b/", "./.a .a", "./c c"]);
  });

  it("says how many more there are than it lists", async () => {
    const names = Array.from({ length: MAX_LISTED + 2 }, (_, at) => String(at));
    const text = await page(names, "/");
    assert.equal(links(text).length, MAX_LISTED);
    assert.match(text, /and 2 more/);
  });
});
