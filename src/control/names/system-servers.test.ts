// That the DNS servers of the system are used, and followed: in a process that sees a /etc/resolv.conf of its own, where the
// system lets us make one. Runs in the test process.

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { DnsServer } from "../../../test/support/dns-server.ts";

const UNSHARE = ["--user", "--map-root-user", "--mount", "sh", "-c"];
const NAMES = new URL("./names.ts", import.meta.url).href;

/** Prints the address of a.test, and again when it has changed because /etc/resolv.conf has. */
const SCRIPT = `
  import { writeFileSync } from "node:fs";
  import { Names } from "${NAMES}";
  const plan = { id: "b", host: "a.test", port: 80, srv: null, socketPath: null, weight: 100, backup: false };
  const print = () => console.log(names.placesOf(plan).map(({ address }) => address).join());
  const onChange = () => {
    print();
    names.stop();
    clearInterval(alive);
  };
  const resolver = { servers: null, minTtlMs: 0, maxTtlMs: 600_000, timeoutMs: 5000 };
  const setting = { resolver, upstreams: [{ backends: [plan] }], log: console, onChange, previous: null };
  const names = new Names(setting, { watchMs: 50 });
  const alive = setInterval(() => {}, 1000);
  await names.resolved();
  print();
  writeFileSync("/etc/resolv.conf", process.env.NEXT);
`;

function canUnshare(): boolean {
  try {
    execFileSync("unshare", [...UNSHARE, "mount --bind /etc/resolv.conf /etc/resolv.conf"], {
      stdio: "ignore",
    });
    return true;
  } catch {
    return false;
  }
}

describe("the DNS servers of the system", {
  skip: !canUnshare() && "needs user and mount namespaces",
}, () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "resolv-"));
  });
  after(() => rmSync(folder, { recursive: true }));

  it("are used, and changed when /etc/resolv.conf is", async (test) => {
    const [one, two] = [await DnsServer.start(), await DnsServer.start()];
    test.after(() => Promise.all([one.stop(), two.stop()]));
    one.set("a.test", { A: ["10.0.0.1"] });
    two.set("a.test", { A: ["10.0.0.2"] });
    const own = join(folder, "resolv.conf");
    writeFileSync(own, lineOf(one));
    const command = 'mount --bind "$OWN" /etc/resolv.conf && exec "$NODE" --input-type=module -e "$SCRIPT"';
    const env = { ...process.env, OWN: own, NODE: process.execPath, SCRIPT, NEXT: lineOf(two) };
    const { stdout } = await promisify(execFile)("unshare", [...UNSHARE, command], { env, timeout: 30_000 });
    assert.equal(stdout, "10.0.0.1\n10.0.0.2\n");
  });

  /** c-ares takes a port there, unlike the C library. */
  function lineOf({ address }: DnsServer): string {
    return `nameserver [${address.replace(":", "]:")}\n`;
  }
});
