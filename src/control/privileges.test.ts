// Who may become whom, and whose a log file is: real files. Runs in the test process.

import assert from "node:assert/strict";
import { chownSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { currentIdentity, makeLogFile, PrivilegeError, userToBecome } from "./privileges.ts";

const WEB = { text: "web", user: "web", uid: 33, gid: 34 };
const ROOT = { uid: 0, gid: 0 };

describe("the user to become", () => {
  it("is the one that is named, for root", () => assert.equal(userToBecome(WEB, ROOT), WEB));

  it("is none where nobody is named, or it is that user already", () => {
    assert.equal(userToBecome(null, ROOT), null);
    assert.equal(userToBecome(null, { uid: 1000, gid: 1000 }), null);
    assert.equal(userToBecome(WEB, { uid: 33, gid: 34 }), null);
    assert.equal(userToBecome({ text: "root", user: "root", ...ROOT }, ROOT), null);
  });

  it("is another group of root", () => {
    const other = { text: "root:adm", user: "root", uid: 0, gid: 4 };
    assert.equal(userToBecome(other, ROOT), other);
  });

  for (const [title, current] of [
    ["another user", { uid: 1000, gid: 34 }],
    ["another group", { uid: 33, gid: 33 }],
    ["a system without users", null],
  ] as const) {
    it(`cannot be had from ${title}`, () => {
      assert.throws(
        () => userToBecome(WEB, current),
        (error) => {
          assert.ok(error instanceof PrivilegeError);
          assert.match(error.message, /^Cannot run as "web" \(33:34\): only root can become another user/);
          return true;
        },
      );
    });
  }
});

describe("a log file for another user", () => {
  const owner = { uid: 65_533, gid: 65_532 };
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "sluice-log-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const ownerOf = (path: string) => ({ uid: statSync(path).uid, gid: statSync(path).gid });
  const needsRoot = { skip: currentIdentity()?.uid === 0 ? false : "only root can give a file away" };

  it("is theirs where it is made", needsRoot, () => {
    const path = join(folder, "access.log");
    makeLogFile(path, owner);
    assert.deepEqual(ownerOf(path), owner);
  });

  it("stays whose it is, and as it is, where it is there", needsRoot, () => {
    const path = join(folder, "access.log");
    writeFileSync(path, "a line\n");
    chownSync(path, 1, 2);
    makeLogFile(path, owner);
    assert.deepEqual(ownerOf(path), { uid: 1, gid: 2 });
    assert.equal(readFileSync(path, "utf8"), "a line\n");
  });

  it("is not the file that a link leads to", needsRoot, () => {
    const target = join(folder, "shadow");
    const path = join(folder, "access.log");
    symlinkSync(target, path);
    makeLogFile(path, owner);
    assert.equal(statSync(target, { throwIfNoEntry: false }), undefined);
    writeFileSync(target, "");
    makeLogFile(path, owner);
    assert.deepEqual(ownerOf(target), ROOT);
  });

  it("is left to the data threads where it cannot be made", () => {
    assert.doesNotThrow(() => makeLogFile(join(folder, "none/access.log"), owner));
  });
});
