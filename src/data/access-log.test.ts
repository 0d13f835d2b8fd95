// The access log on real files, full disks and pipes. Runs in the test process; tasks in child
// processes and threads that run this file again.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { Logged } from "../core/access-line.ts";
import { HeaderList } from "../core/headers.ts";
import { AccessLog } from "./access-log.ts";

const [task, target] = process.argv.slice(2);

if (task === "write-past-limit") await writePastLimit(target ?? "");
else if (task === "fill-stdout") await fillStdout();
else if (task === "write-many") await writeMany(target ?? "");
else defineTests();

function defineTests(): void {
  const folder = mkdtempSync(join(tmpdir(), "sluice-access-log-"));
  after(() => rmSync(folder, { recursive: true }));

  describe("AccessLog", () => {
    it("appends to the file, in the format that was asked for", async () => {
      const path = join(folder, "append.log");
      for (const format of ["json", "combined"] as const) {
        const { log, told } = watched(path, format);
        log.write(exchange("/x"), 1);
        await log.close();
        assert.deepEqual(told, []);
      }
      const [first, second, ...rest] = readFileSync(path, "latin1").split("\n");
      assert.equal(JSON.parse(first!).path, "/x");
      assert.match(second!, /^::1 - - \[.*\] "GET \/x HTTP\/1.1" 200 /);
      assert.deepEqual(rest, [""]);
    });

    it("writes within a second without being asked", { timeout: 10_000 }, async (t) => {
      t.mock.timers.enable({ apis: ["setInterval"] });
      const path = join(folder, "interval.log");
      const { log } = watched(path);
      log.write(exchange("/x"), 1);
      t.mock.timers.tick(1000);
      await hasBytes(path);
      assert.deepEqual(pathsIn(path), ["/x"]);
      await log.close();
    });

    it("writes a full batch without waiting for the second", { timeout: 10_000 }, async (t) => {
      t.mock.timers.enable({ apis: ["setInterval"] });
      const path = join(folder, "batch.log");
      const { log } = watched(path);
      for (let i = 0; i < 1000; i++) log.write(exchange("/x"), 1);
      await hasBytes(path);
      await log.close();
      assert.equal(pathsIn(path).length, 1000);
    });

    it("writes every line once and in order", async () => {
      const path = join(folder, "order.log");
      const { log } = watched(path);
      const wanted = Array.from({ length: 5000 }, (_, i) => `/${i}`);
      for (const [i, name] of wanted.entries()) {
        log.write(exchange(name), 1);
        if (i % 100 === 0) await setImmediate();
      }
      await log.close();
      assert.deepEqual(pathsIn(path), wanted);
    });

    it("goes on in a new file after the old one was moved away", async () => {
      const path = join(folder, "moved.log");
      const { log } = watched(path);
      log.write(exchange("/before"), 1);
      await log.flush();
      renameSync(path, `${path}.1`);
      log.write(exchange("/still-old"), 1);
      await log.reopen();
      log.write(exchange("/new"), 1);
      await log.close();
      assert.deepEqual(pathsIn(`${path}.1`), ["/before", "/still-old"]);
      assert.deepEqual(pathsIn(path), ["/new"]);
    });

    it("keeps the old file where the new one cannot be opened, and says so", async () => {
      const path = join(folder, "link.log");
      const real = join(folder, "real.log");
      symlinkSync(real, path);
      const { log, told } = watched(path);
      await log.flush();
      rmSync(path);
      symlinkSync(join(folder, "no", "such", "folder"), path);
      await log.reopen();
      log.write(exchange("/kept"), 1);
      await log.close();
      assert.deepEqual(pathsIn(real), ["/kept"]);
      assert.equal(log.dropped, 0);
      assert.equal(told.length, 1);
      assert.match(told[0]!, /^cannot write the access log .*link\.log: ENOENT/);
    });

    it("loses lines on a full disk, reports it once, and counts them", async () => {
      const { log, told } = watched("/dev/full");
      for (let round = 1; round <= 3; round++) {
        for (let i = 0; i < 1000; i++) log.write(exchange("/x"), 1);
        await log.flush();
        assert.equal(log.dropped, round * 1000);
      }
      await log.close();
      assert.equal(told.length, 1);
      assert.match(told[0]!, /\/dev\/full: ENOSPC/);
    });

    it("says how many lines were lost when lines are written again, and reports the next trouble anew", async () => {
      const path = join(folder, "full.log");
      const { log, told } = watched(path);
      const pointTo = async (file: string): Promise<void> => {
        rmSync(path);
        symlinkSync(file, path);
        await log.reopen();
      };
      await log.flush();
      const roomy = join(folder, "roomy.log");
      for (const file of ["/dev/full", roomy, "/dev/full", roomy]) {
        await pointTo(file);
        for (let i = 0; i < 7; i++) log.write(exchange("/x"), 1);
        await log.flush();
      }
      await log.close();
      assert.deepEqual(
        told.map((text) => text.match(/ENOSPC|lost \d+/)?.[0]),
        ["ENOSPC", "lost 7", "ENOSPC", "lost 7"],
      );
      assert.equal(pathsIn(roomy).length, 14);
      assert.equal(log.dropped, 14);
    });

    it("opens a file by itself once that is possible", async () => {
      const path = join(folder, "later");
      symlinkSync(join(folder, "no", "folder"), path);
      const { log, told } = watched(path);
      log.write(exchange("/lost"), 1);
      await log.flush();
      rmSync(path);
      log.write(exchange("/kept"), 1);
      await log.close();
      assert.deepEqual(pathsIn(path), ["/kept"]);
      assert.deepEqual(
        told.map((text) => text.match(/ENOENT|lost \d+/)?.[0]),
        ["ENOENT", "lost 1"],
      );
    });

    it("holds a bounded number of lines for a file that takes none", async () => {
      const { log, told } = watched(join(folder, "slow.log"));
      const name = `/${"x".repeat(10_000)}`;
      // One turn: no write can end, and not even the file is open yet.
      for (let i = 0; i < 1000; i++) log.write(exchange(name), 1);
      assert.ok(log.dropped > 500, `${log.dropped} lines lost`);
      assert.match(told[0]!, /slower than the requests/);
      await log.close();
      assert.equal(pathsIn(join(folder, "slow.log")).length + log.dropped, 1000);
    });

    it("loses lines after it was closed", async () => {
      const { log, told } = watched(join(folder, "closed.log"));
      await log.close();
      log.write(exchange("/x"), 1);
      assert.equal(log.dropped, 1);
      assert.match(told[0]!, /closed/);
    });

    it("does not mix its lines with those of other threads", async () => {
      const path = join(folder, "shared.log");
      const threads = Array.from(
        { length: 4 },
        () => new Worker(import.meta.filename, { argv: ["write-many", path] }),
      );
      await Promise.all(threads.map((thread) => once(thread, "exit")));
      assert.equal(pathsIn(path).length, 4 * 3000);
    });

    it("begins a new line where a full disk tore the last one", async (t) => {
      const path = join(folder, "torn.log");
      // The limit on the size of a file is met within a write, as the end of a disk is.
      const child = spawnChild("ulimit -f 16;", "write-past-limit", path);
      t.after(() => child.kill());
      await once(child, "message");
      const full = readFileSync(path, "latin1");
      assert.notEqual(full.at(-1), "\n");
      truncateSync(path, full.length - 1000);
      const torn = readFileSync(path, "latin1");
      assert.notEqual(torn.at(-1), "\n");
      child.send("go on");
      const [{ dropped, told }] = (await once(child, "message")) as [{ dropped: number; told: string[] }];
      await once(child, "exit");
      const whole = readFileSync(path, "latin1");
      assert.equal(whole.slice(0, torn.length + 1), `${torn}\n`);
      assert.equal(JSON.parse(whole.slice(torn.length + 1)).path, "/after");
      assert.equal(dropped, 200 - (full.split("\n").length - 1));
      assert.deepEqual(
        told.map((text) => text.match(/EFBIG|lost \d+/)?.[0]),
        ["EFBIG", `lost ${dropped}`],
      );
    });

    it("waits for the reader of a full pipe on standard output", async (t) => {
      const child = spawnChild("", "fill-stdout");
      t.after(() => child.kill());
      // Not read before all was handed over, so that the pipe fills up.
      const [{ dropped }] = (await once(child, "message")) as [{ dropped: number }];
      assert.equal(dropped, 0);
      let text = "";
      child.stdout?.setEncoding("latin1").on("data", (chunk: string) => {
        text += chunk;
      });
      await once(child, "close");
      assert.equal(text.split("\n").length - 1, 10_000);
    });
  });
}

async function writeMany(path: string): Promise<void> {
  const { log } = watched(path);
  for (let i = 0; i < 3000; i++) {
    log.write(exchange("/x"), 1);
    if (i % 50 === 0) await setImmediate();
  }
  await log.close();
}

/** This file again, in a process of its own under a shell's limits. */
function spawnChild(limits: string, ...args: string[]): ChildProcess {
  const command = [process.execPath, import.meta.filename, ...args];
  return spawn("sh", ["-c", `${limits} exec "$0" "$@"`, ...command], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
}

async function writePastLimit(path: string): Promise<void> {
  const { log, told } = watched(path);
  for (let i = 0; i < 200; i++) log.write(exchange("/before"), 1);
  await log.flush();
  const goOn = once(process, "message");
  process.send?.("full");
  await goOn;
  log.write(exchange("/after"), 1);
  await log.close();
  process.send?.({ dropped: log.dropped, told });
  process.disconnect?.();
}

async function fillStdout(): Promise<void> {
  // Node makes the pipe non-blocking as soon as anything looks at this.
  void process.stdout.writable;
  const { log } = watched(null);
  for (let i = 0; i < 10_000; i++) {
    log.write(exchange("/x"), 1);
  }
  process.send?.({ dropped: log.dropped });
  await log.close();
  process.disconnect?.();
}

function watched(
  path: string | null,
  format: "json" | "combined" = "json",
): { log: AccessLog; told: string[] } {
  const told: string[] = [];
  const log = new AccessLog(
    { path, format },
    { onError: (error) => told.push(error.message), onRecovered: (lost) => told.push(`lost ${lost}`) },
  );
  return { log, told };
}

async function hasBytes(file: string): Promise<void> {
  while (!existsSync(file) || statSync(file).size === 0) await setImmediate();
}

function pathsIn(file: string): string[] {
  const lines = readFileSync(file, "latin1").split("\n");
  assert.equal(lines.pop(), "");
  return lines.map((line) => JSON.parse(line).path);
}

function exchange(path: string): Logged {
  return {
    request: {
      method: "GET",
      authority: "a.test",
      path,
      query: "",
      protocol: "HTTP/1.1",
      headers: new HeaderList(),
    },
    clientAddress: "::1",
    user: "",
    status: 200,
    bytesIn: 0,
    bytesOut: 2,
    route: "r",
    upstream: "",
    backend: "",
    upstreamMs: -1,
    error: null,
  };
}
