// That the rules of upstreams and routes hold for backends over HTTP/2 as for others: balancing, sticky sessions, retries by
// status, ejection, circuit breaker, mirror. Real gateway process with two data threads; the backends are `node:http2`.

import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { ask } from "../http/client.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { type Answer, bodyOf, Http2Origin } from "../http2/http2-origin.ts";
import { TestGateway } from "../support/gateway.ts";

const GET = "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";

describe("an upstream of backends over HTTP/2", { timeout: 90_000 }, () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await TestGateway.start("routing: {}", { server: "workers: 2" });
  });
  after(() => gateway.stop("SIGKILL"));

  const says = (body: string, status = 200): Answer => {
    return ({ stream }) => {
      stream.respond({ ":status": status, "content-length": body.length });
      stream.end(body);
    };
  };

  /** Each says its name: a, b, … */
  async function origins(t: TestContext, count: number): Promise<Http2Origin[]> {
    const made = await Promise.all(Array.from({ length: count }, () => Http2Origin.start()));
    made.forEach((origin, i) => {
      origin.answer = says("abc"[i]!);
      t.after(() => origin.stop());
    });
    return made;
  }

  function configOf(
    made: readonly Http2Origin[],
    route: string,
    rules = "ejection: { enabled: false }",
  ): string {
    const entries = made.map(
      ({ port }, i) => `{ id: ${"abc"[i]}, host: 127.0.0.1, port: ${port}, protocol: h2 }`,
    );
    return `backends: { app: [${entries.join(", ")}] }
upstreams: { app: { ${rules} } }
routing: { all: { upstream: app, ${route} } }
`;
  }

  async function bodies(count: number, request = GET): Promise<string[]> {
    const seen: string[] = [];
    for (let i = 0; i < count; i++) seen.push((await ask(gateway.port, request)).answer.body);
    return seen;
  }

  it("spreads exchanges, not connections", async (t) => {
    const made = await origins(t, 2);
    await gateway.adopt(configOf(made, "load_balancer: least_connections"));
    // Those that a has stay there: all others go to b.
    const held: Array<() => void> = [];
    made[0]!.answer = (request) => held.push(() => says("a")(request));
    let answered = 0;
    const waiting = Array.from({ length: 8 }, async () => {
      await ask(gateway.port, GET);
      answered++;
    });
    // From then on b has nothing under way.
    while (made[0]!.requests.length === 0 || made[0]!.requests.length + answered < 8)
      await new Promise((resolve) => setImmediate(resolve));
    assert.ok((await bodies(6)).every((body) => body === "b"));
    made[0]!.answer = says("a");
    for (const answer of held) answer();
    for (const one of waiting) await one;
  });

  it("keeps a client at its backend by a cookie", async (t) => {
    const made = await origins(t, 3);
    await gateway.adopt(configOf(made, "load_balancer: sticky"));
    const { answer } = await ask(gateway.port, GET);
    const [cookie = ""] = valuesOf(answer.fields, "set-cookie");
    const request = GET.replace("\r\n\r\n", `\r\nCookie: ${cookie.split(";")[0]}\r\n\r\n`);
    assert.deepEqual(new Set(await bodies(6, request)), new Set([answer.body]));
  });

  it("repeats by status, and resets nothing but that stream", async (t) => {
    const made = await origins(t, 2);
    made[0]!.answer = says("no", 503);
    await gateway.adopt(
      configOf(
        made,
        "load_balancer: round_robin, retry: { attempts: 2, on: [503] }",
        "retry_budget: { least: 1000 }, ejection: { enabled: false }",
      ),
    );
    assert.deepEqual(new Set(await bodies(6)), new Set(["b"]));
    assert.ok(made[0]!.requests.length > 0);
  });

  it("ejects a backend that resets what it gets", async (t) => {
    const made = await origins(t, 2);
    made[0]!.answer = ({ stream }) => stream.close(2);
    const rules = "ejection: { failures: 2, time: 1h, max_share: 0.5 }";
    await gateway.adopt(configOf(made, "load_balancer: round_robin, retry: { attempts: 1 }", rules));
    await bodies(8);
    await gateway.logged(({ msg, backend }) => msg === "backend ejected" && backend === "a");
    assert.deepEqual(new Set(await bodies(4)), new Set(["b"]));
  });

  it("opens its circuit when the upstream is sick", async (t) => {
    const made = await origins(t, 1);
    made[0]!.answer = says("no", 503);
    const rules =
      "circuit_breaker: { failure_share: 50%, min_requests: 4, open_time: 1h }, ejection: { enabled: false }";
    await gateway.adopt(configOf(made, "retry: { attempts: 1 }", rules));
    const seen = await bodies(8);
    assert.match(seen.at(-1)!, /circuit_open/);
    assert.ok(made[0]!.requests.length < 8);
  });

  it("gets copies of requests, body and all", async (t) => {
    const [first, copy] = await origins(t, 2);
    const copied = new Promise<string>((resolve) => {
      copy!.answer = async (request) => {
        resolve(await bodyOf(request));
        says("ignored")(request);
      };
    });
    await gateway.adopt(`backends:
  app: [{ host: 127.0.0.1, port: ${first!.port}, protocol: h2 }]
  copies: [{ host: 127.0.0.1, port: ${copy!.port}, protocol: h2 }]
routing: { all: { upstream: app, mirror: { upstream: copies } } }
`);
    const request =
      "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    assert.equal((await ask(gateway.port, request)).answer.body, "a");
    assert.equal(await copied, "hello");
  });
});
