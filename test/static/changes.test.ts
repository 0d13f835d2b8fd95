// Files that change while they are served, and roots that are exchanged whole. Runs in the test process.

import assert from "node:assert/strict";
import {
  appendFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { after, before, describe, it } from "node:test";
import type { TestGateway } from "../support/gateway.ts";
import { RawConnection } from "../support/raw.ts";
import { type Answer, ask, serving, startServing, TestFiles } from "./files.ts";

/** A change is seen after a second; many times that on a machine that does other things too. */
const SEEN_WITHIN_MS = 15_000;
/** More than the system's buffers on the way take from a client that reads nothing. */
const HUGE = 32 * 1024 ** 2;

// Nearly all of the time is spent on waiting for a second to pass: they wait together.
describe("files that change", { concurrency: true }, () => {
  const files = new TestFiles({ "index.html": "home", "other/x.txt": "x" });
  let gateway: TestGateway;
  const get = (path: string, headers?: Record<string, string>): Promise<Answer> =>
    ask(gateway.port, path, headers);
  before(async () => {
    gateway = await startServing(files.root, "precompressed: true, list: true");
  });
  after(async () => {
    await gateway.stop();
    files.remove();
  });

  /** Asks until the answer fits; fails when it does not in time. */
  async function untilSeen(path: string, fits: (answer: Answer) => boolean, headers = {}): Promise<Answer> {
    const until = performance.now() + SEEN_WITHIN_MS;
    for (;;) {
      const answer = await get(path, headers);
      if (fits(answer)) return answer;
      assert.ok(performance.now() < until, `${path} stays as it was: ${answer.status}`);
    }
  }

  it("are seen to have changed, be they written anew, replaced, touched or gone, small or large", async () => {
    const change = async (name: string, size: number) => {
      const path = `/${name}`;
      const is = (letter: string) => (answer: Answer) =>
        answer.status === 200 && answer.body === letter.repeat(size);
      assert.equal((await get(path)).status, 404);
      files.write(name, "a".repeat(size));
      const first = await untilSeen(path, is("a"));
      files.write(name, "b".repeat(size));
      const second = await untilSeen(path, is("b"));
      assert.notEqual(second.headers.etag, first.headers.etag);
      files.write(`${name}.new`, "c".repeat(size));
      renameSync(files.at(`${name}.new`), files.at(name));
      await untilSeen(path, is("c"));
      utimesSync(files.at(name), 1e9, 1e9);
      await untilSeen(path, ({ headers }) => headers["last-modified"] === "Sun, 09 Sep 2001 01:46:40 GMT");
      rmSync(files.at(name));
      await untilSeen(path, ({ status }) => status === 404);
    };
    await Promise.all([change("small.txt", 10), change("large.txt", 100_000)]);
  });

  it("are seen to change within the same tick of their clock", async () => {
    // The same size and, on most systems, the same time: only what was read early tells one from the other.
    for (let round = 0; round < 3; round++) {
      files.write("tick.txt", "old");
      const asked = get("/tick.txt");
      files.write("tick.txt", "new");
      await asked;
      await untilSeen("/tick.txt", ({ body }) => body === "new");
      rmSync(files.at("tick.txt"));
      await untilSeen("/tick.txt", ({ status }) => status === 404);
    }
  });

  it("get and lose neighbours, index files and entries of a listing", async () => {
    files.write("app.js", "plain");
    const gzip = { "accept-encoding": "gzip" };
    await untilSeen("/app.js", ({ body }) => body === "plain", gzip);
    files.write("app.js.gz", "packed");
    await untilSeen(
      "/app.js",
      ({ body, headers }) => body === "packed" && headers.vary === "Accept-Encoding",
      gzip,
    );
    rmSync(files.at("app.js.gz"));
    await untilSeen("/app.js", ({ body, headers }) => body === "plain" && headers.vary === undefined, gzip);
    await untilSeen("/other/", ({ body }) => body.includes("x.txt"));
    files.write("other/y.txt", "");
    await untilSeen("/other/", ({ body }) => body.includes("y.txt"));
    files.write("other/index.html", "other");
    await untilSeen("/other/", ({ body }) => body === "other");
    rmSync(files.at("other/index.html"));
    await untilSeen("/other/", ({ body }) => body.includes("y.txt"));
  });

  it("become folders, and links out of the root", async () => {
    files.write("thing", "file");
    await untilSeen("/thing", ({ body }) => body === "file");
    rmSync(files.at("thing"));
    mkdirSync(files.at("thing"));
    await untilSeen("/thing", ({ status }) => status === 301);
    rmSync(files.at("thing"), { recursive: true });
    files.write("../outside.txt", "secret");
    symlinkSync("../outside.txt", files.at("thing"));
    await untilSeen("/thing", ({ status }) => status === 404);
  });

  it("that are large are what they are at that very moment, not a second ago", async () => {
    files.write("../outside.bin", "secret".repeat(20_000));
    files.write("large-now.bin", "a".repeat(100_000));
    assert.equal((await get("/large-now.bin")).body, "a".repeat(100_000));
    files.write("large-now.bin", "b".repeat(90_000));
    const { body, headers } = await get("/large-now.bin");
    assert.equal(body, "b".repeat(90_000));
    assert.equal(headers["content-length"], "90000");
    files.write("large-now.bin", "c".repeat(5));
    assert.equal(
      (await get("/large-now.bin", { range: "bytes=2-" })).headers["content-range"],
      "bytes 2-4/5",
    );
    files.write("large-now.bin", "");
    assert.equal((await get("/large-now.bin")).headers["content-length"], "0");
    rmSync(files.at("large-now.bin"));
    symlinkSync("../outside.bin", files.at("large-now.bin"));
    assert.equal((await get("/large-now.bin")).status, 404);
    rmSync(files.at("large-now.bin"));
    assert.equal((await get("/large-now.bin")).status, 404);
  });

  it("that become shorter while they are sent end in a reset, and are logged", async () => {
    writeFileSync(files.at("shrinks.bin"), Buffer.alloc(HUGE));
    const connection = await RawConnection.connect(gateway.port);
    connection.write("GET /shrinks.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    await connection.until("\r\n\r\n");
    connection.socket.pause();
    truncateSync(files.at("shrinks.bin"), 1000);
    connection.socket.resume();
    assert.equal(await connection.untilGone(), "reset");
    assert.ok(connection.length < HUGE);
    const line = await gateway.logged(({ msg }) => msg.includes("became shorter"));
    assert.equal(line["code"], "file_changed");
    connection.destroy();
  });

  it("that grow while they are sent, or are replaced, are sent as they were promised", async () => {
    for (const change of ["grow", "replace"]) {
      writeFileSync(files.at("moves.bin"), Buffer.alloc(HUGE, "a"));
      await untilSeen("/moves.bin", ({ headers }) => headers["content-length"] === String(HUGE), {
        range: "bytes=0-0,-1",
        "if-range": '"none"',
      });
      const connection = await RawConnection.connect(gateway.port);
      connection.write("GET /moves.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
      await connection.until("\r\n\r\n");
      connection.socket.pause();
      if (change === "grow") appendFileSync(files.at("moves.bin"), "b".repeat(1000));
      else {
        writeFileSync(files.at("moves.new"), Buffer.alloc(HUGE, "b"));
        renameSync(files.at("moves.new"), files.at("moves.bin"));
      }
      connection.socket.resume();
      assert.equal(await connection.untilGone(), "ended");
      const body = connection.received.subarray(connection.received.indexOf("\r\n\r\n") + 4);
      assert.equal(body.length, HUGE);
      assert.ok(body.equals(Buffer.alloc(HUGE, "a")), change);
      connection.destroy();
    }
  });
});

describe("a root", { concurrency: true }, () => {
  it("that is a link may be led elsewhere, and no file of the old one is served after that", async () => {
    const files = new TestFiles({
      "../releases/1/index.html": "one",
      "../releases/1/old.txt": "old",
      "../releases/2/index.html": "two",
    });
    rmSync(files.root, { recursive: true });
    symlinkSync("releases/1", files.root);
    const gateway = await startServing(files.root);
    const until = performance.now() + SEEN_WITHIN_MS;
    assert.equal((await ask(gateway.port, "/")).body, "one");
    assert.equal((await ask(gateway.port, "/old.txt")).body, "old");
    symlinkSync("releases/2", files.at("../next"));
    renameSync(files.at("../next"), files.root);
    while ((await ask(gateway.port, "/")).body !== "two") assert.ok(performance.now() < until);
    while ((await ask(gateway.port, "/old.txt")).status !== 404) assert.ok(performance.now() < until);
    await gateway.stop();
    files.remove();
  });

  it("that is gone leaves 404, until it is back", async () => {
    const files = new TestFiles({ "a.txt": "a" });
    const gateway = await startServing(files.root);
    const until = performance.now() + SEEN_WITHIN_MS;
    assert.equal((await ask(gateway.port, "/a.txt")).status, 200);
    renameSync(files.root, `${files.root}-away`);
    while ((await ask(gateway.port, "/a.txt")).status !== 404) assert.ok(performance.now() < until);
    renameSync(`${files.root}-away`, files.root);
    while ((await ask(gateway.port, "/a.txt")).status !== 200) assert.ok(performance.now() < until);
    await gateway.stop();
    files.remove();
  });

  it("and its settings change with a reload, also under an exchange", async () => {
    const files = new TestFiles({
      "a/x.txt": "in a",
      "b/x.txt": "in b",
      "a/huge.bin": Buffer.alloc(HUGE, "a"),
    });
    const gateway = await startServing(files.at("a"));
    const connection = await RawConnection.connect(gateway.port);
    connection.write("GET /huge.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    await connection.until("\r\n\r\n");
    connection.socket.pause();
    assert.equal((await ask(gateway.port, "/x.txt")).body, "in a");
    await gateway.adopt(serving(files.at("b"), "cache_control: no-store"));
    const { body, headers } = await ask(gateway.port, "/x.txt");
    assert.equal(body, "in b");
    assert.equal(headers["cache-control"], "no-store");
    connection.socket.resume();
    const received = await connection.untilBytes(HUGE);
    assert.ok(received.length >= HUGE);
    gateway.configure(serving(files.at("nowhere")));
    assert.equal((await gateway.reload()).level, "error");
    assert.equal((await ask(gateway.port, "/x.txt")).body, "in b");
    connection.destroy();
    await gateway.stop();
    files.remove();
  });
});
