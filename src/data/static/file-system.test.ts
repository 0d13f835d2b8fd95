// Opening files below a root, with real files: what is opened, and what never is. Runs in the test process.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { GatewayError } from "../../core/errors.ts";
import { closeFile, fileError, lookAt, openFile, openFolder, stampOf } from "./file-system.ts";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "sluice-files-")));
after(() => rmSync(folder, { recursive: true }));

const root = join(folder, "releases", "1");
mkdirSync(join(root, "sub"), { recursive: true });
mkdirSync(join(folder, "releases", "1-other"));
writeFileSync(join(root, "a.txt"), "a");
writeFileSync(join(root, "sub", "b.txt"), "b");
writeFileSync(join(folder, "secret.txt"), "secret");
writeFileSync(join(folder, "releases", "1-other", "c.txt"), "secret");
const link = (target: string, name: string) => symlinkSync(target, join(root, name));
link("a.txt", "inside.txt");
link("sub", "inside");
link(join(root, "a.txt"), "absolute.txt");
link("../1/a.txt", "around.txt");
link("../../secret.txt", "outside.txt");
link(join(folder, "secret.txt"), "outside-absolute.txt");
link("../1-other/c.txt", "same-beginning.txt");
link("..", "up");
link("outside.txt", "twice.txt");
link("nowhere", "dangling");
link("loop", "loop");
symlinkSync("releases/1", join(folder, "current"));
execFileSync("mkfifo", [join(root, "fifo")]);

/** What opening gives: the name that was reached, `nothing`, or the code of the error. */
async function opened(path: string, at = root): Promise<string> {
  const file = await openFile(join(at, path), at);
  if (file === null) return "nothing";
  if (file instanceof GatewayError) return file.code;
  const place = readlinkSync(`/proc/self/fd/${file.fd}`);
  closeFile(file.fd);
  return place.slice(root.length + 1);
}

describe("openFile", () => {
  for (const [path, found] of [
    ["a.txt", "a.txt"],
    ["sub/b.txt", "sub/b.txt"],
    ["inside.txt", "a.txt"],
    ["inside/b.txt", "sub/b.txt"],
    ["absolute.txt", "a.txt"],
    ["around.txt", "a.txt"],
    ["up/1/a.txt", "a.txt"],
    ["outside.txt", "file_outside_root"],
    ["outside-absolute.txt", "file_outside_root"],
    ["same-beginning.txt", "file_outside_root"],
    ["up/1-other/c.txt", "file_outside_root"],
    ["twice.txt", "file_outside_root"],
    ["dangling", "nothing"],
    ["loop", "nothing"],
    ["sub", "nothing"],
    ["fifo", "nothing"],
    ["missing", "nothing"],
    ["a.txt/x", "nothing"],
    ["x".repeat(300), "nothing"],
  ] as const) {
    it(`opens ${found} at ${path.slice(0, 30)}`, async () => assert.equal(await opened(path), found));
  }

  it("follows a root that is a link itself, wherever it leads now", async () => {
    const current = join(folder, "current");
    assert.equal(await opened("a.txt", current), "a.txt");
    assert.equal(await opened("outside.txt", current), "file_outside_root");
  });

  it("opens no device and no socket", async () => {
    assert.equal(await openFile("/dev/null", "/dev"), null);
    const server = createServer().listen(join(root, "socket"));
    await once(server, "listening");
    assert.equal(await opened("socket"), "nothing");
    server.close();
  });

  it("takes the whole machine for a root", async () => {
    const file = await openFile(join(root, "a.txt"), "/");
    assert.ok(file !== null && !(file instanceof GatewayError));
    closeFile(file.fd);
  });

  it("trusts a file that was found to be there before, and no other one", async () => {
    const path = join(root, "outside.txt");
    const stats = await lookAt(path);
    const trusted = await openFile(path, root, stampOf(stats));
    assert.ok(trusted !== null && !(trusted instanceof GatewayError));
    closeFile(trusted.fd);
    const other = await openFile(path, root, stampOf(await lookAt(join(root, "a.txt"))));
    assert.ok(other instanceof GatewayError);
  });

  it("never opens what is outside, while a link is changed all the time", async () => {
    const swapped = join(root, "swapped.txt");
    const [good, bad] = [join(root, "good"), join(root, "bad")];
    let found = 0;
    for (let i = 0; i < 300; i++) {
      symlinkSync("a.txt", good);
      renameSync(good, swapped);
      const opening = openFile(swapped, root);
      symlinkSync("../../secret.txt", bad);
      renameSync(bad, swapped);
      const file = await opening;
      if (file === null || file instanceof GatewayError) continue;
      assert.equal(readlinkSync(`/proc/self/fd/${file.fd}`), join(root, "a.txt"));
      closeFile(file.fd);
      found++;
    }
    assert.ok(found < 300);
  });

  it("keeps no file open that it does not return", async () => {
    const count = () => readdirSync("/proc/self/fd").length;
    const before = count();
    for (let i = 0; i < 50; i++) await opened(["outside.txt", "fifo", "sub", "a.txt"][i % 4]!);
    while (count() > before) await new Promise(setImmediate);
  });
});

describe("openFolder", () => {
  for (const [path, isFound] of [
    ["sub", true],
    ["inside", true],
    [".", true],
    ["up", false],
    ["up/1-other", false],
    ["a.txt", false],
    ["missing", false],
  ] as const) {
    it(`${isFound ? "opens" : "does not open"} ${path}`, async () => {
      const found = await openFolder(join(root, path), root);
      const isOpen = found !== null && !(found instanceof GatewayError);
      if (isOpen) closeFile(found.fd);
      assert.equal(isOpen, isFound);
    });
  }
});

describe("fileError", () => {
  for (const [code, named] of [
    ["EACCES", "file_forbidden"],
    ["EPERM", "file_forbidden"],
    ["EMFILE", "files_exhausted"],
    ["ENFILE", "files_exhausted"],
    ["EIO", "file_unreadable"],
  ] as const) {
    it(`is ${named} for ${code}`, () => {
      const error = fileError("/x", Object.assign(new Error("no"), { code }));
      assert.equal(error.code, named);
      assert.equal(error.message, `cannot read /x: ${code}`);
    });
  }
});
