// Backends that are killed, stopped, slowed, made to reset, half-close and answer rubbish, and brought back, under a steady
// load of 500 requests a second: no idempotent request fails. Real processes; the gateway has two data threads.

import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { FaultyBackend } from "./backend.ts";
import type { Mode } from "./backend-process.ts";
import { type Outcome, SteadyLoad } from "./load.ts";

const PER_SECOND = 500;
const CONNECT_MS = 250;
const RESPONSE_MS = 400;
/** What the issue allows beyond the configured times. */
const GAP_MS = 250;

async function scene(
  t: TestContext,
  more = "",
): Promise<{ backends: FaultyBackend[]; gateway: TestGateway }> {
  const backends = await Promise.all(["a", "b", "c"].map((name) => FaultyBackend.start(name)));
  t.after(() => Promise.all(backends.map((backend) => backend.kill())));
  const list = backends.map(({ name, port }) => `{ id: ${name}, host: 127.0.0.1, port: ${port} }`);
  const config = `backends: { origin: [${list.join(", ")}] }
upstreams: { origin: { ejection: { time: 500ms, max_time: 1s } } }
routing: { all: { upstream: origin, ${more} } }
timeouts: { connect: ${CONNECT_MS}ms, response: ${RESPONSE_MS}ms }
`;
  const gateway = await TestGateway.start(config, { server: "workers: 2" });
  t.after(() => gateway.stop("SIGKILL"));
  return { backends, gateway };
}

/** The first failures, and what the gateway said, which tells whose they are. */
function told(failures: readonly Outcome[], { log }: TestGateway): string {
  const first = failures.slice(0, 5).map((outcome) => JSON.stringify(outcome));
  const said = log.map((line) => JSON.stringify(line));
  return `${failures.length} failures: ${first.join(", ")}\n${said.join("\n")}`;
}

/** Steady, then the fault, then steady again with every backend at work. */
async function survives(
  t: TestContext,
  fault: (backend: FaultyBackend) => Promise<void> | void,
  mend: (backend: FaultyBackend) => Promise<void> | void,
  slowestMs: number,
): Promise<void> {
  const { backends, gateway } = await scene(t);
  const load = new SteadyLoad(t, gateway.port, PER_SECOND);
  await load.more(PER_SECOND);
  await fault(backends[0]!);
  await load.more(2 * PER_SECOND);
  await mend(backends[0]!);
  await load.seen(({ backend }) => backend === "a");
  await load.more(PER_SECOND);
  await load.stop();
  assert.equal(load.failures.length, 0, told(load.failures, gateway));
  assert.ok(load.longestGapMs <= GAP_MS + slowestMs, `a gap of ${load.longestGapMs} ms`);
  assert.equal(load.outcomes.length, load.sent);
}

describe("under a steady load no request fails where one of three backends", { timeout: 120_000 }, () => {
  it("is killed and comes back", async (t) => {
    await survives(
      t,
      (backend) => backend.kill(),
      (backend) => backend.bringBack(),
      CONNECT_MS,
    );
  });

  it("is stopped and goes on", async (t) => {
    await survives(
      t,
      (backend) => backend.signal("SIGSTOP"),
      (backend) => backend.signal("SIGCONT"),
      RESPONSE_MS,
    );
  });

  const MODES: readonly Mode[] = ["hangs", "slow", "resets", "half-closes", "garbage"];
  for (const mode of MODES) {
    it(`${mode}, and behaves again`, async (t) => {
      await survives(
        t,
        (backend) => backend.behave(mode),
        (backend) => backend.behave("answers"),
        RESPONSE_MS,
      );
    });
  }

  it("answers 503, where the route repeats that", async (t) => {
    const { backends, gateway } = await scene(t, "retry: { on: [closed, malformed, timeout, 503] }");
    const load = new SteadyLoad(t, gateway.port, PER_SECOND);
    await load.more(PER_SECOND);
    await backends[0]!.behave("fails");
    await load.more(2 * PER_SECOND);
    await backends[0]!.behave("answers");
    await load.seen(({ backend }) => backend === "a");
    await load.stop();
    assert.equal(load.failures.length, 0, told(load.failures, gateway));
  });
});

it("a backend that is killed again and again under load costs no request", {
  timeout: 120_000,
}, async (t) => {
  const { backends, gateway } = await scene(t);
  const load = new SteadyLoad(t, gateway.port, PER_SECOND);
  await load.more(PER_SECOND);
  for (let round = 0; round < 5; round++) {
    const backend = backends[round % 3]!;
    await backend.kill();
    await load.more(PER_SECOND / 2);
    await backend.bringBack();
    await load.seen((outcome) => outcome.backend === backend.name);
  }
  await load.stop();
  assert.equal(load.failures.length, 0, told(load.failures, gateway));
});
