// The caches of two data threads, which are both on the thread of the test: so nothing comes between a change and a request.

import assert from "node:assert/strict";
import { it } from "node:test";
import type { CacheSpec, RouteSpec } from "../../config/snapshot.ts";
import type { ClientStream, RequestHead, ResponseHead } from "../../core/exchange.ts";
import { Exchange } from "../../core/exchange.ts";
import { HeaderList } from "../../core/headers.ts";
import type { ActiveSnapshot } from "../active-snapshot.ts";
import type { PolicyRun } from "../pipeline.ts";
import { threadsOf } from "../upstream/setting.test.ts";
import { Entry } from "./cache-entry.ts";
import { Caches } from "./caches.ts";

const SPEC: CacheSpec = {
  store: "",
  maxBytes: 1_000_000,
  maxObjectBytes: 1000,
  ttlMs: 0,
  key: { scheme: true, host: true, query: true, ignoredQuery: [] },
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
  waitMs: 0,
  bypassCookies: [],
  bypassFields: [],
  requestDirectives: true,
  statusField: false,
};

function headersOf(...fields: ReadonlyArray<readonly [string, string]>): HeaderList {
  const headers = new HeaderList();
  for (const [name, value] of fields) headers.add(name, value);
  return headers;
}

it("what was changed through one thread is forgotten on the other before that answers again", () => {
  const route = { name: "r", policies: null } as unknown as RouteSpec;
  const threads = threadsOf(2).map(({ context }) => {
    const caches = new Caches(context, null);
    const cache = caches.of(route, SPEC);
    context.activate({ caches, activated() {}, retire() {} } as unknown as ActiveSnapshot);
    const freshness = {
      bornMs: performance.now(),
      lifetimeMs: 1e6,
      mayBeStale: false,
      staleWhileRevalidateMs: 0,
      staleIfErrorMs: 0,
    };
    const entry = new Entry({
      status: 200,
      reason: "",
      headers: headersOf(["Date", "x"]),
      body: Buffer.from("old"),
      freshness,
      varyNames: [],
      varyKey: "",
    });
    cache.zone.keep({ key: "http://a.test/x", host: "a.test", path: "/x" }, entry);
    return cache;
  });
  /** What a request through one of the threads is answered with; 0 where it goes on. */
  const ask = (thread: number, method: string) => {
    const head = {
      method,
      path: "/x",
      query: "",
      authority: "a.test",
      host: "a.test",
      headers: headersOf(["Cache-Control", "only-if-cached"]),
      bodyLength: 0,
      upgrade: null,
    } as unknown as RequestHead;
    let status = 0;
    const client = {
      tls: null,
      sendHead(sent: ResponseHead) {
        status = sent.status;
        return true;
      },
    } as unknown as ClientStream;
    const exchange = new Exchange(head, client, "192.0.2.1", 0);
    threads[thread]!.enter(exchange, null as unknown as PolicyRun);
    const answer = (status: number) =>
      exchange.client.sendHead({ status, reason: "", headers: new HeaderList(), bodyLength: 0 }, null, true);
    return { status, answer };
  };
  assert.equal(ask(1, "GET").status, 200);
  const change = ask(0, "POST");
  assert.equal(change.status, 0);
  change.answer(503);
  assert.equal(ask(1, "GET").status, 200);
  ask(0, "POST").answer(200);
  assert.equal(ask(1, "GET").status, 504);
  assert.equal(ask(0, "GET").status, 504);
});
