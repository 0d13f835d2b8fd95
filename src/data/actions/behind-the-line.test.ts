// What comes while others wait for the same upstream goes behind them, though there is room in that moment. Two data
// threads of one gateway, both in the thread of the test.

import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { RawBackend } from "../../../test/support/raw.ts";
import type { ProxySpec } from "../../config/snapshot.ts";
import { type ClientStream, Exchange, type RequestHead } from "../../core/exchange.ts";
import { HeaderList } from "../../core/headers.ts";
import { RoundRobin } from "../upstream/balancers/round-robin.ts";
import { type Served, type TestThread, threadsOf, upstreamSpec } from "../upstream/setting.test.ts";
import { serveOk } from "../upstream/test-user.test.ts";
import { ForwardedHead } from "./forwarded-head.ts";
import { Mirror } from "./mirror.ts";
import { ProxyRun } from "./proxy.ts";

const TIMES = {
  connectMs: 1000,
  responseMs: 1000,
  idleMs: 1000,
  websocketIdleMs: 1000,
  sseIdleMs: 1000,
  backendKeepAliveMs: 1000,
};
const ROUTE = {
  stripPrefix: null,
  rewrite: null,
  timeouts: TIMES,
  retry: { attempts: 1, statuses: [] as readonly number[] },
  mirror: { upstream: "app", share: 1, bodyBytes: 10 },
} as ProxySpec;

function exchangeOf(): Exchange {
  const request = {
    method: "GET",
    path: "/",
    query: "",
    authority: "test",
    host: "test",
    protocol: "HTTP/1.1",
    headers: new HeaderList(),
    bodyLength: 0,
    upgrade: null,
  } satisfies RequestHead;
  return new Exchange(request, { tls: null } as ClientStream, "192.0.2.1", 0);
}

interface Setting {
  readonly thread: TestThread;
  /** As the thread has it in which something comes. */
  readonly own: Served;
  /** Resolves when the one that waits on the other thread got the room. */
  readonly served: Promise<void>;
}

/** One waits on another thread for the one connection of a backend, and there is room for it, of which nobody has told. */
async function settingOf(t: TestContext): Promise<Setting> {
  const backend = await RawBackend.start(serveOk);
  t.after(() => backend.stop());
  const spec = upstreamSpec(2, [{ port: backend.port, maxConnections: 1 }]);
  const [thread, second] = threadsOf(2);
  const [own, other] = [thread!.serve(spec), second!.serve(spec)];
  const { promise: served, resolve } = Promise.withResolvers<void>();
  const { state } = other.pools[0]!;
  const waiter = {
    onTurn: () => {
      if (!state.tryConnect(1)) return false;
      ticket!.leave();
      resolve();
      return true;
    },
    onQueueTimeout: () => {},
  };
  assert.ok(state.tryConnect(1));
  const ticket = other.queue.join(waiter, 10, 60_000);
  state.disconnected();
  return { thread: thread!, own, served };
}

describe("behind who waits on another thread", { timeout: 30_000 }, () => {
  it("goes an exchange, which tells the other thread of the room", async (t) => {
    const { thread, own, served } = await settingOf(t);
    const route = { spec: ROUTE, times: TIMES, mirror: null, thread: thread.context };
    const balancer = new RoundRobin({ backends: own.backends, offset: 0 });
    const exchange = exchangeOf();
    new ProxyRun(route, own.upstream, balancer, exchange).start();
    assert.deepEqual([own.queue.waiting, own.pools[0]!.state.connections], [2, 0]);
    await served;
    assert.equal(exchange.backend, "");
    assert.equal(own.queue.waiting, 1);
  });

  it("goes no copy: it is dropped, and the reason is told", async (t) => {
    const { thread, own } = await settingOf(t);
    const mirror = new Mirror(ROUTE, own.upstream, thread.context);
    const exchange = exchangeOf();
    mirror.copyOf(exchange)!.send(new ForwardedHead(exchange, ROUTE, "X-Real-IP"), null);
    assert.equal(own.pools[0]!.state.connections, 0);
    const fields = { route: "", upstream: "app", reason: "exchanges wait for the upstream" };
    const report = { type: "log", level: "warn", message: "a request was not copied", fields };
    assert.deepEqual(thread.reports, [report]);
    assert.equal(thread.metrics.readTotals().counters.mirrorsDropped, 1);
  });
});
