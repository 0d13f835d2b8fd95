// The circuit breaker, as clients and backends see it. Real gateway process.

import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { describe, it, type TestContext } from "node:test";
import type { Answer } from "../http/client.ts";
import { TestGateway } from "../support/gateway.ts";
import { RawConnection } from "../support/raw.ts";
import {
  answers,
  closes,
  codeOf,
  configOf,
  type Deed,
  get,
  type NamedOrigin,
  origins,
  valuesIn,
  whoAnswers,
} from "./named-origin.ts";

const NO_EJECTION = "ejection: { enabled: false }";

/** A gateway of its own with one backend. `circuit` is the inside of `circuit_breaker`. */
async function scene(
  t: TestContext,
  circuit: string,
  { workers = 1, route = "retry: { attempts: 1 }" } = {},
) {
  const [backend] = await origins(t, "a");
  const rules = `${NO_EJECTION}, circuit_breaker: { ${circuit} }`;
  const gateway = await TestGateway.start(configOf([backend!], { rules, route }), {
    server: `workers: ${workers}`,
  });
  t.after(() => gateway.stop("SIGKILL"));
  return { backend: backend!, gateway };
}

function assertOpen(answer: Answer): void {
  assert.deepEqual([answer.status, codeOf(answer)], [503, "circuit_open"]);
  assert.ok(Number(valuesIn(answer, "retry-after")[0]) > 0);
}

/** Of the gateway's own answer, or null where it is the backend's. */
function codeIn(answer: Answer): string | null {
  return answer.body.startsWith("{") ? codeOf(answer) : null;
}

/** Keeps its answers back, in the order of the requests. */
function holding(backend: NamedOrigin): ServerResponse[] {
  const held: ServerResponse[] = [];
  backend.deed = (response) => held.push(response);
  return held;
}

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe("pending exchanges", () => {
  for (const workers of [1, 2]) {
    it(`are bounded, with ${workers} data threads: one more gets 503 at once`, async (t) => {
      const { backend, gateway } = await scene(t, "pending: 4", { workers });
      const held = holding(backend);
      const waiting = Array.from({ length: 4 }, () => get(gateway.port));
      await until(() => held.length === 4);
      for (let i = 0; i < 4; i++) assertOpen(await get(gateway.port));
      assert.equal(backend.served, 4);
      held[0]!.end("a");
      assert.equal((await Promise.race(waiting)).status, 200);
      const next = get(gateway.port);
      await until(() => held.length === 5);
      for (const response of held.slice(1)) response.end("a");
      for (const answer of await Promise.all([...waiting, next])) assert.equal(answer.body, "a");
    });
  }

  it("are those without a head: a body that goes on is none", async (t) => {
    const { backend, gateway } = await scene(t, "pending: 1");
    backend.deed = (response) => {
      response.writeHead(200);
      response.write("begun");
    };
    for (let i = 0; i < 3; i++) {
      const client = await RawConnection.connect(gateway.port);
      t.after(() => client.destroy());
      client.write("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
      await client.until("begun");
    }
    assert.equal(backend.served, 3);
  });

  it("end with a client that leaves", async (t) => {
    const { backend, gateway } = await scene(t, "pending: 1");
    const held = holding(backend);
    const client = await RawConnection.connect(gateway.port);
    client.write("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    await until(() => held.length === 1);
    client.destroy();
    await once(held[0]!, "close");
    backend.deed = answers();
    assert.equal((await get(gateway.port)).status, 200);
  });
});

/** Opens at the tenth failure. */
const RULES = "failure_share: 50%, min_requests: 10";

describe("the circuit", () => {
  const linesOf = (gateway: TestGateway, msg: string) => gateway.log.filter((line) => line.msg === msg);

  for (const [what, deed] of [
    ["connections that close", closes],
    ["answers with 503", answers(503)],
  ] as const) {
    it(`opens for ${what}, and then the backend sees nothing`, async (t) => {
      const { backend, gateway } = await scene(t, `${RULES}, open_time: 10m`);
      backend.deed = deed;
      for (let i = 0; i < 10; i++) assert.notEqual(codeIn(await get(gateway.port)), "circuit_open");
      assert.equal(backend.served, 10);
      backend.deed = answers();
      for (let i = 0; i < 10; i++) assertOpen(await get(gateway.port));
      assert.equal(backend.served, 10);
      const line = await gateway.logged(({ msg }) => msg === "circuit opened");
      assert.deepEqual(
        [line.level, line["failures"], line["exchanges"], line["for_ms"]],
        ["warn", 10, 10, 600_000],
      );
    });
  }

  it("opens for connections that are refused", async (t) => {
    const { backend, gateway } = await scene(t, `${RULES}, open_time: 10m`);
    await backend.kill();
    for (let i = 0; i < 10; i++) assert.equal((await get(gateway.port)).status, 502);
    await backend.start();
    for (let i = 0; i < 5; i++) assertOpen(await get(gateway.port));
    assert.equal(backend.served, 0);
  });

  it("stays closed for fewer failures, and for answers that are none", async (t) => {
    const { backend, gateway } = await scene(t, `${RULES}, open_time: 10m`);
    let count = 0;
    const turns: readonly Deed[] = [answers(503), answers(500), answers(404), answers()];
    backend.deed = (response, name) => turns[count++ % turns.length]!(response, name);
    for (let i = 0; i < 40; i++) assert.notEqual(codeIn(await get(gateway.port)), "circuit_open");
    assert.equal(backend.served, 40);
  });

  it("counts a request once, however often it was repeated, and not where that helped", async (t) => {
    const [a, b] = await origins(t, "ab");
    a!.deed = closes;
    const rules = `${NO_EJECTION}, retry_budget: { least: 1000 }, circuit_breaker: { ${RULES}, open_time: 10m }`;
    const gateway = await TestGateway.start(configOf([a!, b!], { rules }));
    t.after(() => gateway.stop("SIGKILL"));
    // Half of all attempts fail, and no request.
    assert.deepEqual(new Set(await whoAnswers(gateway.port, 30)), new Set(["b"]));
    assert.ok(a!.served >= 10);
  });

  for (const workers of [1, 2]) {
    it(`lets one exchange through on trial after open_time, with ${workers} data threads`, async (t) => {
      const { backend, gateway } = await scene(t, `${RULES}, open_time: 500ms`, { workers });
      backend.deed = closes;
      for (let i = 0; i < 10; i++) await get(gateway.port);
      const held = holding(backend);
      let trial: Promise<Answer> | null = null;
      // All but the one on trial are answered at once.
      while (held.length === 0) {
        const answer = get(gateway.port);
        const first = await Promise.race([answer, until(() => held.length > 0)]);
        if (first === undefined) trial = answer;
        else assertOpen(first);
      }
      for (let i = 0; i < 8; i++) assertOpen(await get(gateway.port));
      assert.equal(held.length, 1);
      assert.equal(linesOf(gateway, "circuit closed").length, 0);
      held[0]!.end("a");
      assert.equal((await trial!).body, "a");
      backend.deed = answers();
      // Closed, and with a clean slate.
      assert.deepEqual(await whoAnswers(gateway.port, 8), Array.from("aaaaaaaa"));
      await gateway.logged(({ msg }) => msg === "circuit closed");
      backend.deed = closes;
      assert.equal((await get(gateway.port)).status, 502);
      backend.deed = answers();
      assert.equal((await get(gateway.port)).status, 200);
    });
  }

  it("is open again for as long where the trial fails", async (t) => {
    const { backend, gateway } = await scene(t, `${RULES}, open_time: 300ms`);
    backend.deed = closes;
    for (let i = 0; i < 10; i++) await get(gateway.port);
    const startedAt = performance.now();
    // Ten to open it, and then one on trial each time.
    while (backend.served < 13) await get(gateway.port);
    assert.ok(performance.now() - startedAt >= 850);
    assert.equal(linesOf(gateway, "circuit closed").length, 0);
  });
});
