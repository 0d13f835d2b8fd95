// Where secrets are kept, and which are refused: real files, real processes. Runs in the test process.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { promisify } from "node:util";
import { StateError, StateFolder } from "./state-folder.ts";

const MODULE = new URL("./state-folder.ts", import.meta.url).href;

describe("the state folder", () => {
  const own = join(homedir(), ".local/state/sluice");
  for (const [title, env, path] of [
    ["is what systemd gives", { STATE_DIRECTORY: "/var/lib/sluice" }, "/var/lib/sluice"],
    ["is the first of several", { STATE_DIRECTORY: "/var/lib/a:/var/lib/b" }, "/var/lib/a"],
    ["is the user's own otherwise", { XDG_STATE_HOME: "/home/me/state" }, "/home/me/state/sluice"],
    ["takes an empty variable for none", { STATE_DIRECTORY: "", XDG_STATE_HOME: "" }, own],
    ["ignores a relative XDG_STATE_HOME", { XDG_STATE_HOME: "state" }, own],
    ["has a place without any variable", {}, own],
  ] as const) {
    it(title, () => assert.equal(StateFolder.of(env).path, path));
  }

  it("is not root's own where another user will need it", () => {
    const owner = { uid: 33, gid: 33 };
    assert.equal(StateFolder.of({}, owner).path, "/var/lib/sluice");
    assert.equal(StateFolder.of({ STATE_DIRECTORY: "/srv/state" }, owner).path, "/srv/state");
    assert.equal(StateFolder.of({ XDG_STATE_HOME: "/home/me/state" }, owner).path, "/home/me/state/sluice");
  });
});

const isRoot = process.getuid?.() === 0;
describe("a folder for another user", { skip: isRoot ? false : "only root can give it away" }, () => {
  const owner = { uid: 65_533, gid: 65_532 };
  let parent: string;
  let folder: StateFolder;
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), "sluice-state-"));
    folder = new StateFolder(join(parent, "deep/state"), owner);
  });
  afterEach(() => rmSync(parent, { recursive: true, force: true }));

  const ownerOf = (path: string) => ({ uid: statSync(path).uid, gid: statSync(path).gid });

  it("belongs to that user with all that is made for it, and nothing else does", () => {
    const secret = folder.secret("admin-token");
    for (const path of [join(parent, "deep"), folder.path, folder.fileOf("admin-token")])
      assert.deepEqual(ownerOf(path), owner, path);
    assert.deepEqual(ownerOf(parent), { uid: 0, gid: 0 });
    assert.equal(folder.find("admin-token"), secret);
  });

  it("stays as it is where it was there before", () => {
    mkdirSync(folder.path, { recursive: true });
    folder.secret("admin-token");
    assert.deepEqual(ownerOf(folder.path), { uid: 0, gid: 0 });
    assert.deepEqual(ownerOf(folder.fileOf("admin-token")), owner);
  });

  it("has no secret of root's: the user could not read it after a reload", () => {
    folder.secret("admin-token");
    chownSync(folder.fileOf("admin-token"), 0, 0);
    assert.throws(() => folder.find("admin-token"), /it belongs to user 0, expected user 65533/);
  });
});

describe("a secret", () => {
  let parent: string;
  let folder: StateFolder;

  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), "sluice-state-"));
    folder = new StateFolder(join(parent, "deep/state"));
  });
  afterEach(() => rmSync(parent, { recursive: true, force: true }));

  /** What somebody wrote into the file, with that mode. */
  function put(text: string, mode = 0o600): string {
    folder.secret("admin-token");
    const file = folder.fileOf("admin-token");
    writeFileSync(file, text);
    chmodSync(file, mode);
    return file;
  }

  it("is made when first asked for, and nothing before", () => {
    assert.equal(folder.find("admin-token"), null);
    assert.deepEqual(readdirSync(parent), []);
    assert.match(folder.secret("admin-token"), /^[\w-]{43}$/);
  });

  it("stays the same, also for another gateway", () => {
    const secret = folder.secret("admin-token");
    assert.equal(folder.secret("admin-token"), secret);
    assert.equal(new StateFolder(folder.path).find("admin-token"), secret);
  });

  it("is another one under another name", () => {
    assert.notEqual(folder.secret("admin-token"), folder.secret("sticky-key"));
  });

  it("is for its owner only, and leaves nothing else behind", () => {
    folder.secret("admin-token");
    assert.equal(statSync(folder.path).mode & 0o777, 0o700);
    assert.equal(statSync(folder.fileOf("admin-token")).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(folder.path), ["admin-token"]);
  });

  it("may come from the operator", () => {
    put("  a secret of my own\n");
    assert.equal(folder.secret("admin-token"), "a secret of my own");
  });

  for (const mode of [0o640, 0o604, 0o660, 0o644]) {
    it(`is refused with mode ${mode.toString(8)}`, () => {
      const file = put("x".repeat(43), mode);
      const message = `Cannot use ${JSON.stringify(file)}: others may read it (mode 0${mode.toString(8)}), expected 0600. Delete it to get a new secret, or chmod 600 where nobody else has read it`;
      assert.throws(() => folder.secret("admin-token"), new StateError(message));
    });
  }

  it("is refused when it belongs to another user", { skip: process.geteuid?.() !== 0 }, () => {
    const file = put("x".repeat(43));
    chownSync(file, 1234, 1234);
    assert.throws(() => folder.secret("admin-token"), {
      message: `Cannot use ${JSON.stringify(file)}: it belongs to user 1234, expected user 0, who runs this`,
    });
  });

  it("is refused when it is too short to be one", () => {
    put("\n");
    assert.throws(() => folder.secret("admin-token"), /expected at least 16 characters/);
  });

  it("says which folder it could not be made in", () => {
    const file = join(parent, "file");
    writeFileSync(file, "");
    const blocked = new StateFolder(join(file, "state"));
    assert.throws(() => blocked.secret("admin-token"), {
      message: `Cannot make "${file}/state/admin-token": ENOTDIR: expected a folder that can be written. STATE_DIRECTORY names another`,
    });
  });

  it("is the same for all of several processes that make it at once", async () => {
    const script = `
      import { StateFolder } from ${JSON.stringify(MODULE)};
      console.log(new StateFolder(process.argv[1]).secret("sticky-key"));
    `;
    const run = () =>
      promisify(execFile)(process.execPath, ["--input-type=module", "-e", script, folder.path]);
    const outputs = await Promise.all(Array.from({ length: 4 }, run));
    const file = readFileSync(folder.fileOf("sticky-key"), "utf8");
    for (const { stdout } of outputs) assert.equal(stdout, file);
    assert.deepEqual(readdirSync(folder.path), ["sticky-key"]);
  });
});
