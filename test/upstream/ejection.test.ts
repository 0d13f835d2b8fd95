// Backends that are ejected: for what, how many at most, and how they come back. Real gateway process.

import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { after, before, describe, it, type TestContext } from "node:test";
import { type LogLine, TestGateway } from "../support/gateway.ts";
import { RawBackend } from "../support/raw.ts";
import {
  answers,
  closes,
  configOf,
  type Deed,
  get,
  origins,
  saysNothing,
  talksRubbish,
  truncates,
  whoAnswers,
} from "./named-origin.ts";

const FOR_GOOD = "time: 10m";
/** The second backend takes what the first one fails. */
const AGAIN = "retry: { on: [closed, malformed, timeout] }, timeouts: { response: 200ms }";

/** Requests of which any may fail in any way. */
async function send(gateway: TestGateway, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await get(gateway.port).catch(() => undefined);
}

/** A gateway of its own: of one kind of event, the log has at most ten lines in ten seconds. */
async function gatewayFor(t: TestContext, config: string, workers = 1): Promise<TestGateway> {
  const gateway = await TestGateway.start(config, { server: `workers: ${workers}` });
  t.after(() => gateway.stop("SIGKILL"));
  return gateway;
}

const linesOf = (gateway: TestGateway, msg: string) => gateway.log.filter((line) => line.msg === msg);

describe("a backend is ejected", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await TestGateway.start("routing: {}");
  });
  after(() => gateway.stop("SIGKILL"));

  const TABLE: ReadonlyArray<{ what: string; deed: Deed; rules?: string; route?: string; out: boolean }> = [
    { what: "closes connections", deed: closes, out: true },
    { what: "breaks off bodies that began well", deed: truncates, out: true },
    { what: "talks rubbish", deed: talksRubbish, out: true },
    { what: "does not answer in time", deed: saysNothing, out: true },
    { what: "answers 502", deed: answers(502), out: true },
    { what: "answers 503", deed: answers(503), out: true },
    { what: "answers 504", deed: answers(504), out: true },
    { what: "answers 500", deed: answers(500), out: false },
    { what: "answers 404", deed: answers(404), out: false },
    { what: "answers 500, where statuses has it", deed: answers(500), rules: "statuses: [500]", out: true },
    {
      what: "answers 503, where statuses has it not",
      deed: answers(503),
      rules: "statuses: [500]",
      out: false,
    },
    { what: "closes connections, where ejection is off", deed: closes, rules: "enabled: false", out: false },
  ];
  for (const { what, deed, rules = "", out } of TABLE) {
    it(`${out ? "where" : "not where"} it ${what}`, async (t) => {
      const [a, b] = await origins(t, "ab");
      a!.deed = deed;
      const ejection = `ejection: { failures: 3, ${FOR_GOOD}, ${rules} }, retry_budget: { least: 100 }`;
      await gateway.adopt(configOf([a!, b!], { rules: ejection, route: AGAIN }));
      await send(gateway, 12);
      if (out) assert.equal(a!.served, 3);
      else assert.ok(a!.served >= 6, `${a!.served}`);
      a!.deed = answers();
      assert.deepEqual(new Set(await whoAnswers(gateway.port, 6)), new Set(out ? ["b"] : ["a", "b"]));
    });
  }

  it("where it refuses connections", async (t) => {
    const [a, b] = await origins(t, "ab");
    await gateway.adopt(configOf([a!, b!], { rules: `ejection: { failures: 3, ${FOR_GOOD} }` }));
    await a!.kill();
    assert.deepEqual(new Set(await whoAnswers(gateway.port, 8)), new Set(["b"]));
    await a!.start();
    assert.deepEqual(new Set(await whoAnswers(gateway.port, 6)), new Set(["b"]));
  });

  it("for failures in a row only, where no share is given", async (t) => {
    const [a, b] = await origins(t, "ab");
    let count = 0;
    // Two of three fail.
    a!.deed = (response, name) => answers(count++ % 3 === 2 ? 200 : 503)(response, name);
    await gateway.adopt(configOf([a!, b!], { rules: `ejection: { failures: 3, ${FOR_GOOD} }` }));
    await send(gateway, 40);
    assert.equal(a!.served, 20);
  });

  it("for a share of failures, from min_requests on", async (t) => {
    const [a, b] = await origins(t, "ab");
    let count = 0;
    // The first, the third, the fifth …: of the first eleven, six.
    a!.deed = (response, name) => answers(count++ % 2 === 0 ? 503 : 200)(response, name);
    const rules = `ejection: { failures: 1000, failure_share: 50%, min_requests: 10, ${FOR_GOOD} }`;
    await gateway.adopt(configOf([a!, b!], { rules }));
    await send(gateway, 40);
    assert.equal(a!.served, 11);
  });

  it("not for a smaller share of failures", async (t) => {
    const [a, b] = await origins(t, "ab");
    let count = 0;
    a!.deed = (response, name) => answers(count++ % 3 === 0 ? 503 : 200)(response, name);
    const rules = `ejection: { failures: 1000, failure_share: 50%, min_requests: 10, ${FOR_GOOD} }`;
    await gateway.adopt(configOf([a!, b!], { rules }));
    await send(gateway, 60);
    assert.equal(a!.served, 30);
  });

  it("not for closing a connection that was not used", async (t) => {
    // Each connection serves one request, and is closed when the next one comes.
    const stale = await RawBackend.start((connection) => {
      let served = false;
      connection.socket.on("data", () => {
        if (served) connection.socket.end();
        else connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
        served = true;
      });
    });
    t.after(() => stale.stop());
    const entry = `{ id: a, host: 127.0.0.1, port: ${stale.port} }`;
    const rules = `ejection: { failures: 1, max_share: 100%, ${FOR_GOOD} }, retry_budget: { least: 100 }`;
    await gateway.adopt(configOf([entry], { rules }));
    assert.deepEqual(await whoAnswers(gateway.port, 10), Array.from("aaaaaaaaaa"));
    assert.ok(stale.connections.length >= 5);
  });
});

describe("of backends that all fail, there are ejected", () => {
  for (const { names, share, most, workers } of [
    { names: "abcd", share: "50%", most: 2, workers: 1 },
    { names: "abcd", share: "50%", most: 2, workers: 2 },
    { names: "abc", share: "50%", most: 1, workers: 1 },
    { names: "abc", share: "100%", most: 3, workers: 2 },
    { names: "a", share: "50%", most: 0, workers: 1 },
  ]) {
    it(`${most} of ${names.length} with max_share ${share} and ${workers} data threads`, async (t) => {
      const backends = await origins(t, names);
      for (const backend of backends) backend.deed = answers(503);
      const rules = `ejection: { failures: 2, max_share: ${share}, ${FOR_GOOD} }`;
      const gateway = await gatewayFor(t, configOf(backends, { rules }), workers);
      const load = () => Promise.all(Array.from({ length: 10 }, () => send(gateway, 5)));
      await load();
      const before = backends.map(({ served }) => served);
      await load();
      const inUse = backends.filter(({ served }, i) => served > before[i]!).length;
      assert.equal(inUse, names.length - most);
      await gateway.logged(() => linesOf(gateway, "backend ejected").length >= most);
      assert.equal(linesOf(gateway, "backend ejected").length, most);
      // Where nobody is left, nobody is asked.
      const answer = await get(gateway.port);
      assert.equal(answer.status, 503);
      assert.equal(answer.body.includes("backend_unavailable"), most === names.length);
    });
  }
});

describe("an ejection", () => {
  const EJECTED = "backend ejected";
  const BACK = "backend back after ejection";

  /** The line of that kind behind the first `from`. */
  const next = (gateway: TestGateway, msg: string, from: number) =>
    gateway.logged((line, at) => at >= from && line.msg === msg);

  it("ends by itself, lasts longer each time, and is told of", async (t) => {
    const [a, b] = await origins(t, "ab");
    const rules = "ejection: { failures: 2, time: 200ms, max_time: 500ms }";
    const gateway = await gatewayFor(t, configOf([a!, b!], { rules }), 2);
    a!.deed = answers(503);
    const ejected: LogLine[] = [];
    const back: LogLine[] = [];
    for (let i = 0; i < 4; i++) {
      const from = gateway.log.length;
      const line = next(gateway, EJECTED, from);
      await send(gateway, 8);
      ejected.push(await line);
      back.push(await next(gateway, BACK, from));
    }
    assert.deepEqual(
      ejected.map((line) => line["for_ms"]),
      [200, 400, 500, 500],
    );
    const [line] = ejected;
    assert.deepEqual(
      [line!.level, line!["backend"], line!["address"], line!["reason"]],
      ["warn", "a", `127.0.0.1:${a!.port}`, "2 failures in a row"],
    );
    assert.deepEqual(
      [back[0]!.level, back[0]!["backend"], back[0]!["from"], back[0]!["to"]],
      ["info", "a", "ejected", "up"],
    );
    assert.equal(line!["upstream"], back[0]!["upstream"]);
  });

  it("keeps exchanges from the backend, on every data thread", async (t) => {
    const [a, b] = await origins(t, "ab");
    const rules = `ejection: { failures: 2, ${FOR_GOOD} }`;
    const gateway = await gatewayFor(t, configOf([a!, b!], { rules }), 2);
    a!.deed = answers(503);
    await send(gateway, 10);
    assert.equal(a!.served, 2);
    a!.deed = answers();
    assert.deepEqual(new Set(await whoAnswers(gateway.port, 20)), new Set(["b"]));
  });

  it("gives the backend its share again, on every data thread, when it is over", async (t) => {
    const [a, b] = await origins(t, "ab");
    const rules = "ejection: { failures: 2, time: 500ms }";
    const gateway = await gatewayFor(t, configOf([a!, b!], { rules }), 2);
    a!.deed = answers(503);
    await send(gateway, 10);
    a!.deed = answers();
    await next(gateway, BACK, 0);
    const seen = await whoAnswers(gateway.port, 20);
    // Each thread gives one after the other their turn.
    assert.ok(seen.filter((who) => who === "a").length >= 8, seen.join(""));
  });

  it("does not cut what the backend has under way", async (t) => {
    const [a, b] = await origins(t, "ab");
    const gateway = await gatewayFor(
      t,
      configOf([a!, b!], { rules: `ejection: { failures: 1, ${FOR_GOOD} }` }),
    );
    const asked = new Promise<ServerResponse>((resolve) => {
      a!.deed = resolve;
    });
    const slow = get(gateway.port);
    const response = await asked;
    a!.deed = answers(503);
    assert.deepEqual(await whoAnswers(gateway.port, 3), ["b", "503", "b"]);
    await next(gateway, EJECTED, 0);
    response.end("a");
    assert.equal((await slow).body, "a");
  });
});
