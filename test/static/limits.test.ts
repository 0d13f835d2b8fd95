// What files must not do to the gateway: hold its memory for slow clients, take its open files, or be read without
// permission. Runs in the test process.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, readdirSync, readFileSync } from "node:fs";
import { describe, it, type TestContext } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { RawConnection } from "../support/raw.ts";
import { ask, serving, TestFiles } from "./files.ts";

/** More than the system's buffers on the way take from a client that reads nothing. */
const HUGE = 24 * 1024 ** 2;
const MB = 1024 ** 2;

async function start(t: TestContext, files: TestFiles, options = {}): Promise<TestGateway> {
  const gateway = await TestGateway.start(serving(files.root), options);
  t.after(async () => {
    await gateway.stop("SIGKILL");
    files.remove();
  });
  return gateway;
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

describe("files and the limits of the gateway", () => {
  it("clients that take nothing hold a piece of their file each, and nothing of it once they are gone", async (t) => {
    const files = new TestFiles({ "huge.bin": Buffer.alloc(HUGE) });
    const gateway = await start(t, files);
    const resident = () =>
      Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${gateway.process.pid}/status`, "latin1"))![1]) *
      1024;
    const open = () => readdirSync(`/proc/${gateway.process.pid}/fd`).length;
    await ask(gateway.port, "/huge.bin", { range: "bytes=0-9" });
    const [before, openBefore] = [resident(), open()];
    const clients = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const client = await RawConnection.connect(gateway.port);
        client.write(get("/huge.bin"));
        await client.until("\r\n\r\n");
        client.socket.pause();
        return client;
      }),
    );
    assert.equal((await ask(gateway.port, "/huge.bin", { range: "bytes=-9" })).status, 206);
    // Forty times the file would be 960 MB. They get 512 KB each, and the gateway what it needs to start with.
    assert.ok(resident() - before < 200 * MB, `${(resident() - before) / MB} MB`);
    for (const client of clients) client.destroy();
    const until = performance.now() + 15_000;
    while (open() > openBefore) {
      assert.ok(performance.now() < until, `${open()} files are open, ${openBefore} before`);
      await ask(gateway.port, "/huge.bin", { range: "bytes=0-9" });
    }
  });

  it("a client that takes its time gets all of its file, as it is", async (t) => {
    const bytes = Buffer.from(Uint32Array.from({ length: HUGE / 4 }, (_, at) => at).buffer);
    const files = new TestFiles({ "huge.bin": bytes });
    const gateway = await start(t, files, { server: "write_timeout: 800ms" });
    const client = await RawConnection.connect(gateway.port);
    client.write(get("/huge.bin"));
    let mayTake = 0;
    client.socket.on("data", () => {
      if (client.length > mayTake) client.socket.pause();
    });
    const rhythm = setInterval(() => {
      mayTake += HUGE / 20;
      client.socket.resume();
    }, 100);
    t.after(() => clearInterval(rhythm));
    await client.until("\r\n\r\n");
    const headBytes = client.received.indexOf("\r\n\r\n") + 4;
    const received = await client.untilBytes(headBytes + HUGE);
    assert.ok(received.subarray(headBytes).equals(bytes));
    client.destroy();
  });

  it("without a file to spare the answer is 503, and the gateway lives on", async (t) => {
    const files = new TestFiles({ "known.bin": Buffer.alloc(MB), "small.txt": "small" });
    const gateway = await start(t, files);
    const client = await RawConnection.connect(gateway.port);
    const asked = async (path: string) => {
      client.take();
      client.write(get(path));
      return await client.until(/^HTTP\/1\.1 \d+ .*\r\n\r\n[\s\S]/s);
    };
    const head = await asked("/known.bin");
    await client.untilBytes(head.indexOf("\r\n\r\n") + 4 + MB);
    // The gateway itself takes no more connections than it has files for: something else must have taken them.
    const mayOpen = (files: number) =>
      execFileSync("prlimit", [`--pid=${gateway.process.pid}`, `--nofile=${files}:`]);
    mayOpen(3);
    for (const path of ["/known.bin", "/small.txt"]) {
      const answer = await asked(path);
      assert.match(answer, /^HTTP\/1\.1 503 /, path);
      assert.match(answer, /Retry-After/);
      await client.until("}\n");
    }
    const line = await gateway.logged((entry) => entry["code"] === "files_exhausted");
    assert.match(line.msg, /cannot read .*: EMFILE/);
    mayOpen(1000);
    assert.match(await asked("/small.txt"), /^HTTP\/1\.1 200 /);
    assert.match(await asked("/known.bin"), /^HTTP\/1\.1 200 /);
    client.destroy();
  });

  it("a file that may not be read is answered with 403, and logged", async (t) => {
    t.after(() => chmodSync(files.at("locked"), 0o700));
    const files = new TestFiles({ "locked.txt": "secret", "locked/x.txt": "secret", "open.txt": "open" });
    chmodSync(files.at("locked.txt"), 0);
    chmodSync(files.at("locked"), 0);
    // To root everything is readable, unless it goes without that.
    const asUser = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];
    const gateway = await start(t, files, process.getuid?.() === 0 ? { prefix: asUser } : {});
    for (const path of ["/locked.txt", "/locked/x.txt"]) {
      const { status, body } = await ask(gateway.port, path);
      assert.equal(status, 403);
      assert.doesNotMatch(body, /secret|public/);
    }
    const line = await gateway.logged((entry) => entry["code"] === "file_forbidden");
    assert.match(line.msg, /locked.*EACCES/);
    assert.equal((await ask(gateway.port, "/open.txt")).status, 200);
  });
});
