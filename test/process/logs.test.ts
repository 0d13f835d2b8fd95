// The access log as files on a disk, and the event log in a storm of failures. Real gateway processes.

import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { ask, Client } from "../http/client.ts";
import { proxyTo, TestGateway } from "../support/gateway.ts";
import { RawBackend } from "../support/raw.ts";

const HELLO = 'routing: { all: { path: /hello, respond: { body: "hello" } } }\n';
const GET = 'GET /hello?q="1" HTTP/1.1\r\nHost: test:80\r\nUser-Agent: probe\r\nReferer: http://a/\r\n\r\n';

async function start(t: TestContext, config: string, server = "workers: 2"): Promise<TestGateway> {
  const gateway = await TestGateway.start(config, { server });
  t.after(() => gateway.stop("SIGKILL"));
  return gateway;
}

/** Ends the gateway, which writes the last lines; its folder stays until the test ends. */
async function end(gateway: TestGateway): Promise<void> {
  gateway.process.kill("SIGTERM");
  assert.equal(await gateway.exited, 0);
}

function linesOf(gateway: TestGateway, name: string): string[] {
  const text = readFileSync(join(gateway.folder, name), "utf8");
  assert.match(text, /\n$/);
  return text.trimEnd().split("\n");
}

describe("the access log", { timeout: 120_000 }, () => {
  it("has a line of JSON for each exchange", async (t) => {
    const gateway = await start(t, `${HELLO}access_log: { path: access.log }\n`);
    await ask(gateway.port, GET);
    await ask(gateway.port, "DELETE /none HTTP/1.1\r\nHost: test\r\n\r\n");
    await end(gateway);
    // Each data thread writes its own lines.
    const lines = linesOf(gateway, "access.log").sort(
      (a, b) => Number(b.includes("GET")) - Number(a.includes("GET")),
    );
    const [{ time, duration_ms, ...found }, missing] = lines.map((line) => JSON.parse(line));
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000, time);
    assert.ok(duration_ms >= 0 && duration_ms < 10_000, duration_ms);
    assert.deepEqual(found, {
      client: "127.0.0.1",
      user: null,
      method: "GET",
      host: "test:80",
      path: '/hello?q="1"',
      protocol: "HTTP/1.1",
      status: 200,
      bytes_in: 0,
      bytes_out: 5,
      route: "all",
      upstream: null,
      backend: null,
      upstream_ms: null,
      error: null,
      user_agent: "probe",
      referer: "http://a/",
    });
    const { method, path, status, route, error } = missing;
    assert.deepEqual([method, path, status, route, error], ["DELETE", "/none", 404, null, "route_not_found"]);
    assert.equal(lines.length, 2);
  });

  it("has a line in Apache's combined format for each exchange", async (t) => {
    const gateway = await start(t, `${HELLO}access_log: { path: access.log, format: combined }\n`);
    await ask(gateway.port, GET);
    await end(gateway);
    const [line, ...more] = linesOf(gateway, "access.log");
    assert.match(
      line!,
      /^127\.0\.0\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET \/hello\?q=\\"1\\" HTTP\/1\.1" 200 5 "http:\/\/a\/" "probe"$/,
    );
    assert.deepEqual(more, []);
  });

  it("goes on in a new file after SIGUSR2, and loses no line", async (t) => {
    const gateway = await start(t, `${HELLO}access_log: { path: access.log }\n`);
    const path = join(gateway.folder, "access.log");
    const clients = await Promise.all(Array.from({ length: 8 }, () => Client.connect(gateway.port)));
    let asked = 0;
    const round = async () => {
      for (const client of clients) client.send(`GET /hello?${asked++} HTTP/1.1\r\nHost: test\r\n\r\n`);
      for (const client of clients) await client.answer();
    };
    const FILES = 4;
    for (let file = 1; file < FILES; file++) {
      for (let i = 0; i < 20; i++) await round();
      renameSync(path, `${path}.${file}`);
      gateway.process.kill("SIGUSR2");
      while (!existsSync(path)) await round();
    }
    await round();
    for (const client of clients) client.close();
    await end(gateway);
    const files = ["access.log", ...Array.from({ length: FILES - 1 }, (_, i) => `access.log.${i + 1}`)];
    const numbers = files.flatMap((name) => {
      return linesOf(gateway, name).map((line) =>
        Number((JSON.parse(line) as { path: string }).path.slice(7)),
      );
    });
    assert.deepEqual(
      numbers.sort((a, b) => a - b),
      [...Array(asked).keys()],
    );
  });
});

describe("the event log", { timeout: 120_000 }, () => {
  it("has ten lines about a kind of failure, and the number of those that were left out", async (t) => {
    const backend = await RawBackend.start((connection) => connection.destroy());
    const gateway = await start(t, proxyTo(backend.port), "workers: 1");
    const statuses = new Set<number>();
    for (let i = 0; i < 25; i++) statuses.add((await ask(gateway.port, GET)).answer.status);
    assert.deepEqual(statuses, new Set([502]));
    await backend.stop();
    assert.equal((await ask(gateway.port, GET)).answer.status, 502);
    await end(gateway);
    const codes = gateway.log.flatMap((line) => (line["code"] === undefined ? [] : [line["code"]]));
    assert.deepEqual(codes, [...Array(10).fill("upstream_closed"), "connect_failed"]);
    const unsaid = gateway.log.filter(({ msg }) => msg.endsWith("left out"));
    assert.deepEqual(
      unsaid.map(({ level, msg }) => [level, msg]),
      [["warn", "15 more lines about upstream_closed were left out"]],
    );
    assert.equal(gateway.log.at(-1)!["requests"], 26);
  });
});
