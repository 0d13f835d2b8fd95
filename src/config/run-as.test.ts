// Which user and group a setting means: files like /etc/passwd. Runs in the test process.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { findRunAs, RUN_AS } from "./run-as.ts";

const folder = mkdtempSync(join(tmpdir(), "sluice-users-"));
const files = { passwd: join(folder, "passwd"), group: join(folder, "group") };
writeFileSync(
  files.passwd,
  [
    "root:x:0:0:root:/root:/bin/bash",
    "# a comment",
    "www-data:x:33:34:www-data:/var/www:/usr/sbin/nologin",
    "77:x:1077:1078::/:/bin/false",
    "broken:x:abc:def::/:/bin/false",
    "",
  ].join("\n"),
);
writeFileSync(files.group, "root:x:0:\nwww-data:x:34:\nadm:x:4:syslog,me\n");
after(() => rmSync(folder, { recursive: true }));

const FOUND: ReadonlyArray<readonly [text: string, user: string | null, uid: number, gid: number]> = [
  ["www-data", "www-data", 33, 34],
  ["www-data:adm", "www-data", 33, 4],
  ["www-data:7", "www-data", 33, 7],
  ["33", "www-data", 33, 34],
  ["33:adm", "www-data", 33, 4],
  ["77", "77", 1077, 1078],
  ["1234:5678", null, 1234, 5678],
  ["4294967294:0", null, 4294967294, 0],
  ["root", "root", 0, 0],
];

const REFUSED: ReadonlyArray<readonly [text: string, problem: string]> = [
  ["nobody-here", `there is no user "nobody-here" in ${files.passwd}`],
  ["www-data:none", `there is no group "none" in ${files.group}`],
  ["1234", `expected a group too, as in "1234:1234": ${files.passwd} has no user 1234`],
  ["4294967295:0", `there is no user "4294967295" in ${files.passwd}`],
  ["www-data:4294967295", `there is no group "4294967295" in ${files.group}`],
  ["-1", `there is no user "-1" in ${files.passwd}`],
  ["# a comment", `there is no user "# a comment" in ${files.passwd}`],
  ["broken", `there is no user "broken" in ${files.passwd}`],
];

describe("the user of run_as", () => {
  for (const [text, user, uid, gid] of FOUND) {
    it(`${text} is ${uid}:${gid}`, () => {
      assert.deepEqual(findRunAs(text, files), { runAs: { text, user, uid, gid } });
    });
  }
  for (const [text, problem] of REFUSED) {
    it(`${text} is refused`, () => assert.deepEqual(findRunAs(text, files), { problem }));
  }

  it("is not found where there are no files", () => {
    const none = { passwd: join(folder, "none"), group: join(folder, "none") };
    assert.ok("problem" in findRunAs("www-data", none));
    assert.deepEqual(findRunAs("33:34", none), { runAs: { text: "33:34", user: null, uid: 33, gid: 34 } });
  });

  it("has one user and at most one group", () => {
    for (const text of ["a", "a:b", "1:2", "www-data"]) assert.match(text, RUN_AS);
    for (const text of ["", ":", "a:", ":b", "a:b:c", "a b", "a\n"]) assert.doesNotMatch(text, RUN_AS);
  });
});
