// `sluice run` in an empty folder: the banner, and everything that it says to try. The demo's port is the one that the
// README names, so nothing else may hold it.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { takeDemoPort } from "../support/demo-port.ts";

const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;
const ADDRESS = "http://127.0.0.1:8080";
/** The last line of the banner. */
const BANNER_END = "Ctrl-C stops.\n";

describe("the demo", { timeout: 120_000 }, () => {
  let folder: string;
  let gateway: ChildProcess;
  let exited: Promise<unknown[]>;
  let banner = "";
  let leaveDemoPort = () => {};

  before(async () => {
    leaveDemoPort = await takeDemoPort();
    folder = mkdtempSync(join(tmpdir(), "sluice-demo-"));
    gateway = spawn(process.execPath, [MAIN, "run"], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    exited = once(gateway, "close");
    let problems = "";
    gateway.stderr!.setEncoding("utf8").on("data", (text: string) => {
      problems += text;
    });
    for await (const text of gateway.stdout!.setEncoding("utf8")) {
      banner += text;
      if (banner.includes(BANNER_END)) return;
    }
    throw new Error(`no demo: ${problems}`);
  });

  after(async () => {
    gateway.kill("SIGKILL");
    await exited;
    leaveDemoPort();
    rmSync(folder, { recursive: true });
  });

  it("says in its banner what to open and try", async () => {
    const found = banner.match(/http:\S+/g);
    assert.deepEqual(
      new Set(found),
      new Set(["/", "/handler", "/hello", "/clock", "/echo", "/old"].map((path) => ADDRESS + path)),
    );
  });

  it("has a page from two backends in turn", async () => {
    const names = new Set<string | undefined>();
    // Each data thread takes turns for itself, and the client may use several connections.
    for (let i = 0; i < 20; i++) {
      const response = await fetch(`${ADDRESS}/`);
      assert.match(response.headers.get("content-type") ?? "", /^text\/html/);
      names.add(/from backend <strong>(\w+)</.exec(await response.text())?.[1]);
    }
    assert.deepEqual(names, new Set(["one", "two"]));
  });

  it("has a response of the gateway itself", async () => {
    const response = await fetch(`${ADDRESS}/hello`);
    assert.deepEqual([response.status, await response.text()], [200, "Hello from Sluice itself\n"]);
  });

  it("has a handler in TypeScript", async () => {
    const response = await fetch(`${ADDRESS}/handler?name=you`);
    const { hello, path, visits } = (await response.json()) as Record<string, unknown>;
    assert.deepEqual([response.status, hello, path], [200, "you", "/handler"]);
    assert.equal(typeof visits, "number");
  });

  it("has a stream of events, which comes as it is made", async () => {
    const response = await fetch(`${ADDRESS}/clock`);
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    const events = [await reader.read(), await reader.read()];
    for (const { value } of events) assert.match(value!, /^data: \d{4}-\d\d-\d\dT[\d:.]+Z\n\n$/);
    await reader.cancel();
  });

  it("shows what a backend receives", async () => {
    const response = await fetch(`${ADDRESS}/echo?a=1`, { method: "POST", body: "hi" });
    const { method, url, body, headers } = (await response.json()) as Record<string, unknown>;
    assert.deepEqual([method, url, body], ["POST", "/echo?a=1", "hi"]);
    assert.equal((headers as Record<string, string>)["x-forwarded-for"], "127.0.0.1");
  });

  it("has a redirect to the page", async () => {
    const response = await fetch(`${ADDRESS}/old`, { redirect: "manual" });
    assert.deepEqual([response.status, response.headers.get("location")], [301, `${ADDRESS}/`]);
  });

  it("ends with 0", async () => {
    gateway.kill("SIGTERM");
    assert.equal((await exited)[0], 0);
  });
});
