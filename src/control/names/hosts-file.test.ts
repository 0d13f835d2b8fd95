// What a hosts file says, and that changes of it are seen: real files. Runs in the test process.

import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { HostsFile, parseHosts } from "./hosts-file.ts";

describe("parsing a hosts file", () => {
  const TABLE: ReadonlyArray<readonly [what: string, text: string, hosts: Record<string, string[]>]> = [
    ["one name", "10.0.0.1 a", { a: ["10.0.0.1"] }],
    ["several names of one address", "10.0.0.1\ta  b.test\t c", tri("10.0.0.1")],
    [
      "several addresses of one name, each once",
      "10.0.0.1 a\nfd00::1 a\n10.0.0.1 a",
      { a: ["10.0.0.1", "fd00::1"] },
    ],
    ["names in lower case, without the dot at the end", "10.0.0.1 A.Test.", { "a.test": ["10.0.0.1"] }],
    ["comments and empty lines left out", "# 10.0.0.9 x\n\n 10.0.0.1 a # b\n#", { a: ["10.0.0.1"] }],
    ["line ends of other systems", "10.0.0.1 a\r\n10.0.0.2 b\r\n", { a: ["10.0.0.1"], b: ["10.0.0.2"] }],
    ["no line feed at the end", "10.0.0.1 a\n10.0.0.2 b", { a: ["10.0.0.1"], b: ["10.0.0.2"] }],
    ["an address without names", "10.0.0.1", {}],
    ["what is no address", "10.0.0.999 a\nfe80::1%lo0 b\nx c", {}],
    ["nothing", "", {}],
  ];
  for (const [what, text, hosts] of TABLE) {
    it(`reads ${what}`, () => assert.deepEqual(Object.fromEntries(parseHosts(text)), hosts));
  }

  function tri(address: string) {
    return { a: [address], "b.test": [address], c: [address] };
  }
});

describe("a hosts file", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "hosts-"));
  });
  after(() => rmSync(folder, { recursive: true }));

  it("knows no name that it does not have", () => {
    assert.equal(hostsFile("none", "10.0.0.1 a").addressesOf("b"), null);
  });

  it("gives all addresses of a name, of both families", () => {
    const hosts = hostsFile("both", "fd00::1 a\n10.0.0.1 a");
    assert.deepEqual(hosts.addressesOf("a"), ["fd00::1", "10.0.0.1"]);
  });

  const LOCAL: ReadonlyArray<readonly [text: string, name: string, addresses: string[]]> = [
    ["127.0.0.1 localhost\n::1 localhost", "localhost", ["127.0.0.1"]],
    ["::1 localhost", "localhost", ["::1"]],
    ["127.0.0.2 localhost", "localhost", ["127.0.0.2"]],
    ["", "localhost", ["127.0.0.1"]],
    ["", "api.localhost", ["127.0.0.1"]],
    ["::1 localhost", "api.localhost", ["127.0.0.1"]],
    ["127.0.0.3 api.localhost", "api.localhost", ["127.0.0.3"]],
  ];
  for (const [text, name, addresses] of LOCAL) {
    it(`with ${JSON.stringify(text)} takes ${name} for ${addresses}`, () => {
      assert.deepEqual(hostsFile("local", text).addressesOf(name), addresses);
    });
  }

  it("leaves a name that only looks like localhost to DNS", () => {
    assert.equal(hostsFile("alike", "").addressesOf("mylocalhost"), null);
  });

  it("may be missing, and come later", () => {
    const path = join(folder, "later");
    const hosts = new HostsFile(path);
    assert.equal(hosts.addressesOf("a"), null);
    assert.equal(hosts.refresh(), false);
    writeFileSync(path, "10.0.0.1 a");
    assert.equal(hosts.refresh(), true);
    assert.deepEqual(hosts.addressesOf("a"), ["10.0.0.1"]);
    rmSync(path);
    assert.equal(hosts.refresh(), true);
    assert.equal(hosts.addressesOf("a"), null);
  });

  it("is read again when it was written to or replaced, and only then", () => {
    const path = join(folder, "changing");
    writeFileSync(path, "10.0.0.1 a");
    const hosts = new HostsFile(path);
    assert.equal(hosts.refresh(), false);
    writeFileSync(path, "10.0.0.22 a");
    assert.equal(hosts.refresh(), true);
    assert.deepEqual(hosts.addressesOf("a"), ["10.0.0.22"]);
    writeFileSync(`${path}.new`, "10.0.0.33 a");
    renameSync(`${path}.new`, path);
    assert.equal(hosts.refresh(), true);
    assert.deepEqual(hosts.addressesOf("a"), ["10.0.0.33"]);
    assert.equal(hosts.refresh(), false);
  });

  function hostsFile(name: string, text: string): HostsFile {
    writeFileSync(join(folder, name), text);
    return new HostsFile(join(folder, name));
  }
});
