// What a handler may do to its VM, each done for real, while another route and another app are asked 500 times a second
// each: they see no failure, and no gap of 250 ms. A line is printed for each with what became of it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { after, before, beforeEach, describe, it, type TestContext } from "node:test";
import { SteadyLoad } from "../faults/load.ts";
import { type LogLine, TestGateway } from "../support/gateway.ts";
import { writeApp } from "./write-app.ts";

const PER_SECOND = 500;
const LONGEST_GAP_MS = 250;

const DEEDS_OF_A_GATEWAY = 4;

const VICTIM = `
import { execFileSync } from "node:child_process";
import { pbkdf2Sync } from "node:crypto";
import { readFileSync, writeSync } from "node:fs";
import { connect } from "node:net";

const kept: unknown[] = [];
const deeds: Record<string, (request: Request) => unknown> = {
  ok: () => new Response("well"),
  loop: () => { for (;;); },
  regex: () => /^(a+)+$/.test("a".repeat(64) + "!"),
  json: () => JSON.parse("[" + "[0],".repeat(30_000_000) + "0]"),
  pbkdf2: () => pbkdf2Sync("a", "b", 2_000_000_000, 64, "sha512"),
  block: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
  "growing-array": () => { for (;;) kept.push({ a: kept.length, b: "x" + kept.length }); },
  "long-array": () => { for (;;) kept.push(new Array(1e8).fill(0.5)); },
  "string-doubling": () => { let text = "ab"; const all = []; for (;;) { text = text.length < 2 ** 27 ? text + text : text.slice(1) + "c"; all.push(text, Array.from(text.slice(0, 1e6))); } },
  closures: () => { let last: () => unknown = () => 0; for (;;) { const before = last; const own = new Array(1000).fill(before); last = () => [before, own]; kept.push(last); } },
  map: () => { const map = new Map(); for (let i = 0; ; i++) { map.set(i, { i }); if (i % 1e7 === 0) kept.push(map, new Map(map)); } },
  buffers: async () => { for (let i = 0; i < 64; i++) { kept.push(new Uint8Array(16 << 20).fill(1)); await new Promise((done) => setTimeout(done, 1)); } return new Response("a gigabyte"); },
  exit: () => process.exit(3),
  abort: () => process.abort(),
  rejection: () => { Promise.reject(new Error("nobody looks")); return new Promise(() => {}); },
  rubbish: () => { for (let fd = 3; fd < 64; fd++) try { writeSync(fd, Buffer.alloc(1000, 255)); } catch {} return new Promise(() => {}); },
  "read-file": () => readFileSync("/etc/hostname"),
  "open-socket": () => new Promise((_, reject) => connect(1, "127.0.0.1").on("error", reject)),
  "start-process": () => execFileSync("/bin/true"),
  never: () => new Promise(() => {}),
  "many-promises": async () => { await Promise.race(Array.from({ length: 10_000 }, () => new Promise(() => {}))); },
  body: async (request) => new Response(String((await request.arrayBuffer()).byteLength)),
  endless: () => new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65536)) })),
};

export default async (request: Request) => (await deeds[new URL(request.url).pathname.split("/").pop()!]!(request)) as Response;
`;
const OTHER = `export default () => new Response("well");`;

/** What the client that does it is answered, and what becomes of the VM (null: it goes on). */
const DEEDS: ReadonlyArray<readonly [deed: string, statuses: readonly number[], outcome: string | null]> = [
  ["loop", [502, 504], "hung"],
  ["regex", [502, 504], "hung"],
  ["json", [502, 504], "out_of_memory"],
  ["pbkdf2", [502, 504], "hung"],
  ["block", [502, 504], "hung"],
  ["growing-array", [502, 504], "out_of_memory"],
  ["long-array", [502, 504], "out_of_memory"],
  ["string-doubling", [502, 504], "out_of_memory"],
  ["closures", [502, 504], "out_of_memory"],
  ["map", [502, 504], "out_of_memory"],
  ["buffers", [502, 504], "out_of_memory"],
  ["exit", [502], "exited"],
  ["abort", [502], "crashed"],
  ["rejection", [502], "crashed"],
  ["rubbish", [502], "crashed"],
  ["read-file", [500], null],
  ["open-socket", [500], null],
  ["start-process", [500], null],
  ["never", [504], null],
  ["many-promises", [504], null],
];

describe("whatever a handler does, the others go on", () => {
  let gateway: TestGateway;
  let deedsDone = 0;
  const start = async () => {
    gateway = await TestGateway.start(
      `admin: { port: 0 }
apps:
  victim: { entry: ${writeApp(VICTIM)}, timeout: 1s, hang_timeout: 1s, memory: 64mb }
  hungry: { entry: ${writeApp(VICTIM)}, timeout: 1s, hang_timeout: 30s, memory: 64mb }
  other: { entry: ${writeApp(OTHER)} }
routing:
  victim: { path: /victim, app: victim }
  hungry: { path: /hungry, app: hungry }
  other: { path: /other, app: other }
  plain: { path: /plain, respond: { body: well } }
`,
    );
  };
  before(start);
  after(() => gateway.stop());
  // VMs that end again and again are started after longer and longer pauses.
  beforeEach(async () => {
    if (deedsDone++ % DEEDS_OF_A_GATEWAY !== 0 || deedsDone === 1) return;
    await gateway.stop();
    await start();
  });

  const url = (path: string) => `http://127.0.0.1:${gateway.port}${path}`;

  /** Puts the load on, does something, and waits for the VM that serves after it. */
  async function under(
    t: TestContext,
    what: string,
    deed: () => Promise<string>,
    app = "victim",
  ): Promise<void> {
    const loads = ["/plain", "/other"].map((path) => new SteadyLoad(t, gateway.port, PER_SECOND, { path }));
    await Promise.all(loads.map((load) => load.more(PER_SECOND / 4)));
    const told = await deed();
    await serving(app);
    await Promise.all(loads.map((load) => load.more(PER_SECOND / 4)));
    await Promise.all(loads.map((load) => load.stop()));
    const sent = loads.reduce((sum, load) => sum + load.sent, 0);
    const failed = loads.flatMap((load) => load.failures);
    const gap = Math.max(...loads.map((load) => load.longestGapMs));
    t.diagnostic(
      `${what}: ${told}; of ${sent} requests to others ${failed.length} failed, longest gap ${Math.round(gap)} ms`,
    );
    assert.deepEqual(failed, []);
    assert.ok(gap < LONGEST_GAP_MS, `a gap of ${gap} ms`);
  }

  /** Where VMs end again and again, the app is said to be down for a while; then it is tried again. */
  async function serving(app: string): Promise<void> {
    while ((await fetch(url(`/${app}/ok`))).status !== 200)
      await new Promise((resolve) => setTimeout(resolve, 100));
  }

  /** A VM ended, and not as a spare does that nobody needs any more. */
  const hasEnded = (entry: LogLine) => "outcome" in entry && entry["outcome"] !== "replaced";

  async function ended(from: number, outcome: string, app = "victim"): Promise<string> {
    const line = await gateway.logged((entry, at) => at >= from && entry["app"] === app && hasEnded(entry));
    assert.equal(line["outcome"], outcome);
    return outcome;
  }

  for (const [deed, statuses, outcome] of DEEDS) {
    it(deed, async (t) => {
      // What takes memory keeps the event loop too: on a busy machine it would be taken for a VM that hangs.
      const app = outcome === "out_of_memory" ? "hungry" : "victim";
      const done = async () => {
        const from = gateway.log.length;
        const { status } = await fetch(url(`/${app}/${deed}`));
        const told = outcome === null ? "the VM goes on" : await ended(from, outcome, app);
        assert.ok(statuses.includes(status), `status ${status}`);
        if (outcome === null) assert.ok(!gateway.log.slice(from).some(hasEnded));
        return `${status}, ${told}`;
      };
      await under(t, deed, done, app);
    });
  }

  it("kill -9 from outside", async (t) => {
    await under(t, "kill -9", async () => {
      const from = gateway.log.length;
      process.kill(await pidOf("victim"), "SIGKILL");
      return await ended(from, "crashed");
    });
  });

  it("a poison request, again and again", async (t) => {
    await under(t, "poison", async () => {
      const statuses: number[] = [];
      for (let i = 0; i < 5; i++) statuses.push((await fetch(url("/victim/exit"))).status);
      // Past the first ones the app may be said to be down for a while.
      for (const status of statuses) assert.ok(status === 502 || status === 503, `status ${status}`);
      return statuses.join(", ");
    });
  });

  it("a body that never ends", async (t) => {
    await under(t, "a body that never ends", async () => {
      const socket = connect(gateway.port, "127.0.0.1");
      t.after(() => socket.destroy());
      socket.write("POST /victim/body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
      for (let i = 0; i < 20; i++) socket.write(`1000\r\n${"x".repeat(4096)}\r\n`);
      assert.equal((await fetch(url("/victim/body"), { method: "POST", body: "abc" })).status, 200);
      return "others of the same app are answered";
    });
  });

  it("a reader that is slow", async (t) => {
    await under(t, "a slow reader", async () => {
      const socket = connect(gateway.port, "127.0.0.1");
      t.after(() => socket.destroy());
      socket.write("GET /victim/endless HTTP/1.1\r\nHost: a\r\n\r\n");
      await new Promise((resolve) => socket.once("readable", resolve));
      const pid = await pidOf("victim");
      const before = residentOf(pid);
      for (let i = 0; i < 20; i++) assert.equal((await fetch(url("/victim/ok"))).status, 200);
      const grown = residentOf(pid) - before;
      assert.ok(grown < 64 * 1_048_576, `the VM grew by ${grown} bytes`);
      return "others of the same app are answered";
    });
  });

  /** Of the one VM of an app. */
  async function pidOf(app: string): Promise<number> {
    const line = await gateway.logged(({ msg }) => /admin API/.test(msg));
    const admin = /http:\S+:\d+/.exec(line.msg)![0];
    const { apps } = (await (await fetch(`${admin}/api/v1/apps?app=${app}`)).json()) as {
      readonly apps: ReadonlyArray<{
        readonly vms: ReadonlyArray<{ readonly pid: number; readonly state: string }>;
      }>;
    };
    return apps[0]!.vms.find(({ state }) => state === "serving")!.pid;
  }
});

function residentOf(pid: number): number {
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]);
}
