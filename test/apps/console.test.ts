// What an app says gets into the gateway's log, line by line and within a rate.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type LogLine, TestGateway } from "../support/gateway.ts";
import { writeApp } from "./write-app.ts";

const HANDLER = `
import { setTimeout as sleep } from "node:timers/promises";
console.info("loaded");
export default {
  async fetch(request: Request, env: object, ctx: { requestId: string }): Promise<Response> {
    const { pathname } = new URL(request.url);
    switch (pathname) {
      case "/levels":
        console.log("of %s, %d", "log", 1, { a: [1, { b: 2 }] });
        console.info("of info");
        console.warn("of warn");
        console.error(new Error("of error"));
        console.debug("of debug");
        console.trace("of trace");
        console.table([{ column: 1 }]);
        console.assert(false, "of %s", "assert");
        console.group("of group");
        console.log("within\\nthe group");
        console.groupEnd();
        console.count();
        break;
      case "/later":
        await sleep(1);
        console.log("after a while");
        break;
      case "/stream":
        return new Response(
          new ReadableStream({
            async pull(controller) {
              await sleep(1);
              console.log("while the body is made");
              controller.close();
            },
          }),
          { headers: { "X-Request": ctx.requestId } },
        );
      case "/long":
        console.log("x".repeat(100_000));
        break;
      case "/forged":
        console.log('"}\\n{"level":"error","msg":"forged"}');
        process.send({ type: "log", level: "info", message: "forged too", request: "" });
        break;
      case "/printed":
        process.stdout.write("on std");
        process.stdout.write("out\\nand more\\n");
        process.stderr.write("on stderr \\u{1f600}\\r\\n");
        process.stdout.write("y".repeat(100_000) + "\\n");
        break;
      case "/many":
        for (let i = 0; i < 1_000_000; i++) console.log("line", i);
        break;
      case "/many-printed": {
        const lines = "a line that is printed\\n".repeat(10_000);
        for (let i = 0; i < 100; i++) process.stdout.write(lines);
        break;
      }
    }
    return new Response("done", { headers: { "X-Request": ctx.requestId } });
  },
};
`;

async function startTalker(): Promise<TestGateway> {
  const entry = writeApp(HANDLER);
  return await TestGateway.start(
    `apps: { talker: { entry: ${entry}, timeout: 30s } }\nrouting: { all: { app: talker } }`,
  );
}

const LEFT_OUT = /^(\d+) more lines of (.+) were left out/;

describe("what an app says", () => {
  let gateway: TestGateway;
  const get = (path: string) => fetch(`http://127.0.0.1:${gateway.port}${path}`);
  const said = (text: string) => gateway.logged(({ msg }) => msg.startsWith(text));
  before(async () => {
    gateway = await startTalker();
  });
  after(() => gateway.stop());

  it("is one line for each call, with level, app, VM and request", async () => {
    const response = await get("/levels");
    const request = response.headers.get("x-request");
    assert.match(request!, /^[0-9a-f]{12}-\d+$/);
    await said("default: 1");
    const lines = gateway.log.filter((line) => line["request"] === request);
    const shown = lines.map(({ level, msg }) => [level, msg.split("\n    at ")[0]]);
    assert.deepEqual(shown, [
      ["info", "of log, 1 { a: [ 1, { b: 2 } ] }"],
      ["info", "of info"],
      ["warn", "of warn"],
      ["error", "Error: of error"],
      ["debug", "of debug"],
      ["debug", "Trace: of trace"],
      [
        "info",
        "┌─────────┬────────┐\n│ (index) │ column │\n├─────────┼────────┤\n│ 0       │ 1      │\n└─────────┴────────┘",
      ],
      ["warn", "Assertion failed: of assert"],
      ["info", "of group"],
      ["info", "  within\n  the group"],
      ["info", "default: 1"],
    ]);
    for (const line of lines) assert.deepEqual([line["app"], typeof line["vm"]], ["talker", "number"]);
  });

  it("has no request where none is under way", async () => {
    const line = await said("loaded");
    assert.deepEqual([line["app"], line["request"]], ["talker", undefined]);
  });

  for (const [path, text] of [
    ["/later", "after a while"],
    ["/stream", "while the body is made"],
  ] as const) {
    it(`has its request ${text}`, async () => {
      const responses = await Promise.all(Array.from({ length: 20 }, () => get(path)));
      await Promise.all(responses.map((response) => response.text()));
      const requests = responses.map((response) => response.headers.get("x-request")).sort();
      const lines = () => gateway.log.filter(({ msg }) => msg === text);
      await gateway.logged((_, at) => at === gateway.log.length - 1 && lines().length === 20);
      assert.deepEqual(
        lines()
          .map((line) => line["request"])
          .sort(),
        requests,
      );
    });
  }

  it("is cut where it is long, and says how long it was", async () => {
    await get("/long");
    const { msg } = await said("xxx");
    assert.equal(msg.length, 8192 + "… (100000 characters)".length);
    assert.match(msg, /x… \(100000 characters\)$/);
  });

  it("stays in its line", async () => {
    await get("/forged");
    await said("forged too");
    assert.ok(gateway.log.every(({ level, msg }) => !(level === "error" && msg === "forged")));
  });

  it("is in the log also where it is printed", async () => {
    await get("/printed");
    await said("on stderr");
    const line = await said("yyy");
    assert.match(line.msg, /^y{8192}… \(100000 bytes\)$/);
    const printed = gateway.log.filter((entry) => entry["output"] !== undefined);
    const shown = (entry: LogLine) => [entry.level, entry["output"], entry.msg.slice(0, 20)];
    assert.deepEqual(printed.filter(({ level }) => level === "info").map(shown), [
      ["info", "stdout", "on stdout"],
      ["info", "stdout", "and more"],
      ["info", "stdout", "y".repeat(20)],
    ]);
    assert.deepEqual(printed.filter(({ level }) => level === "warn").map(shown), [
      ["warn", "stderr", "on stderr \u{1f600}"],
    ]);
  });
});

describe("an app that says a million lines", () => {
  for (const [path, of, text] of [
    ["/many", "console", "line "],
    ["/many-printed", "its output", "a line that is printed"],
  ] as const) {
    it(`gets few of ${of} into the log, and it is told how many it did not`, async () => {
      const gateway = await startTalker();
      const response = await fetch(`http://127.0.0.1:${gateway.port}${path}`);
      assert.equal(response.status, 200);
      const lines = () => gateway.log.filter(({ msg }) => msg.startsWith(text)).length;
      const leftOut = () =>
        gateway.log.reduce((sum, { msg }) => {
          const found = LEFT_OUT.exec(msg);
          return sum + (found?.[2] === of ? Number(found[1]) : 0);
        }, 0);
      // Looked at with the last line only: there are many.
      await gateway.logged((_, at) => at === gateway.log.length - 1 && lines() + leftOut() >= 1_000_000);
      assert.equal(lines() + leftOut(), 1_000_000);
      assert.ok(lines() >= 1000 && lines() < 10_000, `${lines()} lines`);
      await gateway.stop();
    });
  }
});
