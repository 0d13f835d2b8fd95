// Backends that cannot be connected to: every request goes on to the next one at once, whole, and costs no repetition.
// Real gateway process.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it, type TestContext } from "node:test";
import { ask, Client } from "../http/client.ts";
import { Origin } from "../http/origin.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { Blackhole } from "../support/blackhole.ts";
import { TestGateway } from "../support/gateway.ts";
import { answers, codeOf, configOf, get, origins, refusing, whoAnswers } from "./named-origin.ts";

const CONNECT_MS = 300;
/** Nothing may be sent a second time. */
const NO_BUDGET = "retry_budget: { share: 0, least: 0 }";
/** Whoever fails stays in. */
const NO_EJECTION = "ejection: { enabled: false }";
const RULES = `${NO_BUDGET}, ${NO_EJECTION}`;

let gateway: TestGateway;
let blackhole: Blackhole;
before(async () => {
  blackhole = await Blackhole.start();
  gateway = await TestGateway.start("routing: {}", { server: "workers: 2" });
});
after(async () => {
  await gateway.stop("SIGKILL");
  await blackhole.stop();
});

async function strictOrigin(t: TestContext): Promise<{ origin: Origin; entry: string }> {
  const origin = await Origin.start();
  t.after(() => origin.stop());
  return { origin, entry: `{ id: good, host: 127.0.0.1, port: ${origin.port} }` };
}

const BODY = randomBytes(100_000).toString("latin1");
const CHUNKED_BODY = `${"1".repeat(1000)}${"2".repeat(1000)}`;

interface Request {
  readonly what: string;
  readonly text: string;
  readonly body: string;
}

const REQUESTS: readonly Request[] = [
  { what: "a GET", text: "GET / HTTP/1.1\r\nHost: test\r\n\r\n", body: "" },
  { what: "a POST without a body", text: "POST / HTTP/1.1\r\nHost: test\r\n\r\n", body: "" },
  {
    what: "a POST with a body longer than retry.body",
    text: `POST / HTTP/1.1\r\nHost: test\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
    body: BODY,
  },
  {
    what: "a chunked PATCH",
    text: `PATCH / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n${CHUNKED_BODY.slice(0, 1000)}\r\n3e8\r\n${CHUNKED_BODY.slice(1000)}\r\n0\r\n\r\n`,
    body: CHUNKED_BODY,
  },
  {
    what: "a PUT with an empty chunked body",
    text: "PUT / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    body: "",
  },
];

describe("where connections are refused", () => {
  for (const { what, text, body } of REQUESTS) {
    it(`${what} moves on at once, whole and for free`, async (t) => {
      const { origin, entry } = await strictOrigin(t);
      await gateway.adopt(configOf([refusing("x"), refusing("y"), entry], { rules: RULES }));
      const startedAt = performance.now();
      for (let i = 0; i < 3; i++) {
        const { answer } = await ask(gateway.port, text);
        assert.equal(answer.status, 200);
      }
      assert.ok(performance.now() - startedAt < 3000);
      assert.equal(origin.requests.length, 3);
      for (const seen of origin.requests) assert.ok(seen.body === body, "the body differs");
    });
  }

  it("a client that expects 100 Continue hears it once, from when there is a connection", async (t) => {
    const { origin, entry } = await strictOrigin(t);
    await gateway.adopt(configOf([refusing("x"), entry], { rules: RULES }));
    const client = await Client.connect(gateway.port);
    t.after(() => client.close());
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert.equal((await client.answer("POST")).status, 100);
    client.send("body");
    assert.equal((await client.answer("POST")).status, 200);
    assert.equal(origin.only.body, "body");
  });

  it("a client is not told to send its body while no backend takes it", async () => {
    await gateway.adopt(configOf([refusing("x"), refusing("y")], { rules: RULES }));
    const { answer } = await ask(
      gateway.port,
      "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
    );
    assert.equal(answer.status, 502);
  });

  it("by all of them, the answer is 502 connect_failed, at once", async () => {
    await gateway.adopt(configOf([refusing("x"), refusing("y"), refusing("z")], { rules: NO_EJECTION }));
    const startedAt = performance.now();
    const answer = await get(gateway.port);
    assert.ok(performance.now() - startedAt < 2000);
    assert.deepEqual([answer.status, codeOf(answer)], [502, "connect_failed"]);
  });

  it("the same backend is not asked twice for one request", async (t) => {
    const [a, b] = await origins(t, "ab");
    a!.deed = answers(503);
    await b!.kill();
    const route = "retry: { attempts: 100, on: [503] }";
    await gateway.adopt(configOf([a!, b!], { rules: NO_EJECTION, route }));
    // Which of the two comes first is the data thread's own turn: the last one gives the answer.
    assert.match(String((await get(gateway.port)).status), /^50[23]$/);
    assert.equal(a!.served, 1);
  });

  it("a request of HTTP/1.0 without Host has that of the backend that it goes to", async (t) => {
    const [first, second] = [await strictOrigin(t), await strictOrigin(t)];
    first.origin.answer = (_request, connection) => {
      connection.socket.end();
      return null;
    };
    const entries = [refusing("x"), first.entry.replace("good", "y"), second.entry];
    await gateway.adopt(configOf(entries, { rules: "retry_budget: { least: 100 }" }));
    // Which backend comes first is the data thread's own turn.
    for (let i = 0; i < 5; i++) {
      const { answer } = await ask(gateway.port, "GET / HTTP/1.0\r\n\r\n");
      assert.equal(answer.status, 200);
    }
    assert.equal(second.origin.requests.length, 5);
    assert.ok(first.origin.requests.length > 0);
    for (const { origin } of [first, second]) {
      for (const { fields } of origin.requests)
        assert.deepEqual(valuesOf(fields, "host"), [`127.0.0.1:${origin.port}`]);
    }
  });
});

describe("where a connection is not answered", () => {
  const silent = (id: string) => `{ id: ${id}, host: 127.0.0.1, port: ${blackhole.port} }`;
  const more = `timeouts: { connect: ${CONNECT_MS}ms }`;

  for (const { what, text, body } of REQUESTS) {
    it(`${what} moves on after timeouts.connect, whole and for free`, async (t) => {
      const { origin, entry } = await strictOrigin(t);
      await gateway.adopt(configOf([silent("x"), entry], { rules: RULES, more }));
      const startedAt = performance.now();
      // Two threads and two backends: among three requests, one at least is for the silent one first.
      for (let i = 0; i < 3; i++) assert.equal((await ask(gateway.port, text)).answer.status, 200);
      assert.ok(performance.now() - startedAt >= CONNECT_MS);
      assert.equal(origin.requests.length, 3);
      for (const seen of origin.requests) assert.ok(seen.body === body, "the body differs");
    });
  }

  it("by all of them, the answer is 504 connect_timeout after the time of each", async () => {
    await gateway.adopt(configOf([silent("x"), silent("y")], { rules: NO_EJECTION, more }));
    const startedAt = performance.now();
    const answer = await get(gateway.port);
    const tookMs = performance.now() - startedAt;
    assert.deepEqual([answer.status, codeOf(answer)], [504, "connect_timeout"]);
    assert.ok(tookMs >= 2 * CONNECT_MS && tookMs < 20 * CONNECT_MS, `${tookMs} ms`);
  });
});

describe("a backend that was killed", () => {
  it("costs no request, and gets its share again when it is back", async (t) => {
    const [a, b] = await origins(t, "ab");
    await gateway.adopt(configOf([a!, b!], { rules: RULES }));
    assert.deepEqual(new Set(await whoAnswers(gateway.port, 6)), new Set(["a", "b"]));
    await a!.kill();
    assert.deepEqual(new Set(await whoAnswers(gateway.port, 6)), new Set(["b"]));
    await a!.start();
    assert.deepEqual(new Set(await whoAnswers(gateway.port, 6)), new Set(["a", "b"]));
  });
});
