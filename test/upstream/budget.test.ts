// What a sick upstream gets on top of its load: no more than the retry budget, whatever fails and however many data threads
// there are. Real gateway process.

import assert from "node:assert/strict";
import { Agent, request } from "node:http";
import { after, before, describe, it, type TestContext } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import {
  answers,
  closes,
  configOf,
  type Deed,
  get,
  type NamedOrigin,
  origins,
  refusing,
} from "./named-origin.ts";

const REQUESTS = 2000;
const AT_A_TIME = 40;
const NO_EJECTION = "ejection: { enabled: false }";

/** GETs on connections that are kept, so many at a time. Resolves with how often there was which status. */
async function load(t: TestContext, port: number, count: number): Promise<Map<number, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_A_TIME });
  t.after(() => agent.destroy());
  const statuses = new Map<number, number>();
  let left = count;
  const one = () =>
    new Promise<void>((resolve, reject) => {
      request({ host: "127.0.0.1", port, agent }, (response) => {
        const status = response.statusCode ?? 0;
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        response.resume().on("end", resolve);
      })
        .on("error", reject)
        .end();
    });
  const run = async () => {
    while (left-- > 0) await one();
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, run));
  return statuses;
}

const served = (backends: readonly NamedOrigin[]) => backends.reduce((sum, own) => sum + own.served, 0);

async function sickOnes(t: TestContext, deed: Deed): Promise<NamedOrigin[]> {
  const backends = await origins(t, "abc");
  for (const backend of backends) backend.deed = deed;
  return backends;
}

const FAULTS: Readonly<
  Record<string, { readonly deed: Deed; readonly status: number; readonly on: string }>
> = {
  "close after the request": { deed: closes, status: 502, on: "closed" },
  "answer 503": { deed: answers(503), status: 503, on: "503" },
};

for (const workers of [1, 2]) {
  describe(`with ${workers} data threads, backends that all`, () => {
    let gateway: TestGateway;
    before(async () => {
      gateway = await TestGateway.start("routing: {}", { server: `workers: ${workers}` });
    });
    after(() => gateway.stop("SIGKILL"));

    for (const [what, { deed, status, on }] of Object.entries(FAULTS)) {
      it(`${what} get a fifth on top of their load, and each request its answer`, async (t) => {
        const backends = await sickOnes(t, deed);
        const route = `retry: { on: [${on}], attempts: 3 }`;
        await gateway.adopt(configOf(backends, { rules: NO_EJECTION, route }));
        const statuses = await load(t, gateway.port, REQUESTS);
        assert.deepEqual([...statuses], [[status, REQUESTS]]);
        const extra = served(backends) - REQUESTS;
        // Each thread may take the last one at the same moment.
        assert.ok(extra <= REQUESTS * 0.2 + workers - 1, `${extra} repetitions`);
        assert.ok(extra >= REQUESTS * 0.1, `${extra} repetitions`);
      });

      it(`${what} get what retry_budget says`, async (t) => {
        const backends = await sickOnes(t, deed);
        const rules = `${NO_EJECTION}, retry_budget: { share: 5%, least: 0 }`;
        await gateway.adopt(configOf(backends, { rules, route: `retry: { on: [${on}] }` }));
        await load(t, gateway.port, 400);
        const extra = served(backends) - 400;
        assert.ok(extra <= 20 + workers - 1 && extra >= 10, `${extra} repetitions`);
      });
    }
  });
}

describe("the retry budget", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await TestGateway.start("routing: {}");
  });
  after(() => gateway.stop("SIGKILL"));

  it("has a least number, however few the requests", async (t) => {
    const backends = await sickOnes(t, closes);
    await gateway.adopt(configOf(backends, { rules: NO_EJECTION }));
    // 2 of 3 attempts are repetitions, until there were 3 of them.
    for (let i = 0; i < 4; i++) assert.equal((await get(gateway.port)).status, 502);
    assert.equal(served(backends), 4 + 3);
  });

  it("of nothing lets no request be repeated", async (t) => {
    const backends = await sickOnes(t, closes);
    const rules = `${NO_EJECTION}, retry_budget: { share: 0, least: 0 }`;
    await gateway.adopt(configOf(backends, { rules }));
    await load(t, gateway.port, 100);
    assert.equal(served(backends), 100);
  });

  it("is not asked where connections are refused", async (t) => {
    const [good] = await origins(t, "a");
    const rules = `${NO_EJECTION}, retry_budget: { share: 0, least: 0 }`;
    await gateway.adopt(configOf([refusing("x"), good!], { rules }));
    assert.deepEqual([...(await load(t, gateway.port, 100))], [[200, 100]]);
    assert.equal(good!.served, 100);
  });

  it("of one upstream is not spent by another", async (t) => {
    const [sick, well] = [await sickOnes(t, closes), await origins(t, "d")];
    const rules = `${NO_EJECTION}, retry_budget: { share: 0, least: 1 }`;
    await gateway.adopt(configOf(sick, { rules }));
    for (let i = 0; i < 5; i++) await get(gateway.port);
    assert.equal(served(sick), 6);
    const [another] = await origins(t, "e");
    another!.deed = closes;
    await gateway.adopt(configOf([another!, ...well], { rules }));
    assert.equal((await get(gateway.port)).status, 200);
  });
});
