// The policy `cache` (RFC 9111, as a shared cache): answers with what it keeps, and fetches what it does not. Data threads.
//
//   not for the cache ─▶ goes on            what others must know of a change ─▶ goes on, and changes what is kept
//   kept and fresh, or stale and allowed ─▶ answered
//   else ─▶ waits: for the fetch of somebody else, or for one of its own (cache-fetch.ts)

import type { CacheSpec } from "../../config/snapshot.ts";
import { clockMs } from "../../core/clock.ts";
import { GatewayError } from "../../core/errors.ts";
import type { ClientStream, Exchange, ResponseHead } from "../../core/exchange.ts";
import { Field } from "../../core/headers.ts";
import { Counter } from "../../core/metrics.ts";
import { failExchange, type PolicyRun } from "../pipeline.ts";
import type { ThreadContext } from "../thread-context.ts";
import { answerKept, wholeSource } from "./cache-answer.ts";
import { requestDirectives } from "./cache-directives.ts";
import { type Entry, Use } from "./cache-entry.ts";
import { Fetch } from "./cache-fetch.ts";
import { isPersonal } from "./cache-freshness.ts";
import { isBypass, primaryKey } from "./cache-key.ts";
import { Passes } from "./cache-passes.ts";
import type { Question } from "./cache-reader.ts";
import { type Forwarded, forwardedStatus, hitStatus } from "./cache-status.ts";
import type { ResourceName, Zone } from "./cache-store.ts";
import { varyKey } from "./cache-vary.ts";
import { ClientLayer } from "./client-layer.ts";
import { type Policy, Step } from "./policy.ts";

/** RFC 9110 section 9.2.1. Any other method may change what is kept. */
const SAFE: readonly string[] = ["GET", "HEAD", "OPTIONS", "TRACE"];

const NO_NAMES: readonly string[] = [];

/** The cache of one route, on one data thread. */
export class CacheRoute implements Policy {
  readonly spec: CacheSpec;
  readonly zone: Zone;
  readonly thread: ThreadContext;
  /** Fetches that others may wait for, by key. */
  readonly shared = new Map<string, Fetch>();
  readonly flying = new Set<Fetch>();
  readonly passes = new Passes();

  constructor(spec: CacheSpec, zone: Zone, thread: ThreadContext) {
    this.spec = spec;
    this.zone = zone;
    this.thread = thread;
  }

  enter(exchange: Exchange, run: PolicyRun): Step {
    const { method } = exchange.request;
    if (method === "GET" || method === "HEAD")
      return this.#serve({ exchange, run, asked: null, rounds: 0 }, false, null);
    if (!SAFE.includes(method)) exchange.client = new Changing(exchange, this.thread);
    return this.#passBy(exchange, "method");
  }

  /** An exchange whose wait was in vain. `names` is what the response that it waited for varies by, where that is known. */
  again(question: Question, alone: boolean, names: readonly string[] | null): void {
    const { exchange, run, rounds } = question;
    if (exchange.finished) return;
    exchange.action = null;
    const isAlone = alone || rounds > 0;
    if (this.#serve({ ...question, rounds: rounds + 1 }, isAlone, names) === Step.goOn) run.goOn();
  }

  #serve(question: Question, alone: boolean, names: readonly string[] | null): Step {
    const { exchange, run } = question;
    const { spec, zone, thread } = this;
    const { request } = exchange;
    const { headers } = request;
    thread.cacheChanges.apply();
    if (isBypass(exchange, spec)) return this.#passBy(exchange, "bypass");
    const asked = spec.requestDirectives ? requestDirectives(headers) : null;
    if (asked?.noStore === true) return this.#passBy(exchange, "request");
    // What the backend has now is the backend's to say.
    if (headers.ids.includes(Field.ifMatch) || headers.ids.includes(Field.ifUnmodifiedSince))
      return this.#passBy(exchange, "bypass");
    const key = primaryKey(exchange, spec.key);
    const resource = zone.resources.get(key);
    const entry = resource?.find(headers) ?? null;
    const nowMs = clockMs();
    const use = entry === null ? Use.revalidate : entry.useFor(asked, nowMs);
    if (entry !== null && (use === Use.fresh || use === Use.stale)) {
      this.#hit(exchange, entry, nowMs);
      return Step.answered;
    }
    const name = { key, host: request.host, path: request.path };
    const sharedAs = `${key}\n${varyKey(resource?.varyNames ?? names ?? NO_NAMES, headers)}`;
    if (entry !== null && use === Use.whileRevalidating) {
      this.#refresh(name, sharedAs, entry, question);
      this.#hit(exchange, entry, nowMs);
      return Step.answered;
    }
    if (asked?.onlyIfCached === true) {
      failExchange(exchange, new GatewayError("not_cached", `nothing usable is kept of ${request.path}`));
      return Step.answered;
    }
    if (!alone) thread.metrics.add(Counter.cacheMisses);
    const isForced = entry !== null && (asked?.noCache === true || entry.useFor(null, nowMs) === Use.fresh);
    const forwarded = entry === null ? (resource === undefined ? "uri-miss" : "vary-miss") : "stale";
    const why: Forwarded = isForced ? "request" : forwarded;
    // Neither may be kept, nor made of what is fetched for others.
    if (request.method === "HEAD" || headers.ids.includes(Field.range)) return this.#sendOn(exchange, why);
    const asking = { ...question, asked };
    const isShared = !alone && !isForced && this.#mayBeShared(asking, sharedAs, entry, nowMs);
    if (isShared && this.shared.get(sharedAs)?.join(asking) === true) return Step.waits;
    const plan = { name, sharedAs: isShared ? sharedAs : null, entry, forwarded: why };
    new Fetch(this, plan, exchange).start(run, asking);
    return Step.waits;
  }

  /** What is kept of that key is not so any more, nor what is being fetched. */
  forget(key: string): void {
    this.zone.dropKey(key);
    for (const fetch of this.flying) if (fetch.name.key === key) fetch.outdate();
  }

  /** Lets go of what fits; returns how many responses that were. */
  purge(fits: (name: ResourceName) => boolean): number {
    for (const fetch of this.flying) if (fits(fetch.name)) fetch.outdate();
    return this.zone.dropWhere(fits);
  }

  retire(): void {
    this.zone.retire();
  }

  #hit(exchange: Exchange, entry: Entry, nowMs: number): void {
    const { metrics } = this.thread;
    const ttlMs = entry.freshness.lifetimeMs - entry.ageMs(nowMs);
    metrics.add(Counter.cacheHits);
    if (ttlMs <= 0) metrics.add(Counter.cacheStaleHits);
    const status = this.spec.statusField ? hitStatus(ttlMs) : "";
    const { room } = this.zone.store;
    answerKept(exchange, entry, { source: wholeSource(entry), bodyLength: entry.body.length, room, status });
  }

  /** What is past its time is used once more while a new one is fetched, once for all who ask. */
  #refresh(name: ResourceName, sharedAs: string, entry: Entry, { exchange, run }: Question): void {
    if (this.shared.has(sharedAs)) return;
    new Fetch(this, { name, sharedAs, entry, forwarded: "stale" }, exchange).start(run, null);
  }

  /** Whether others may wait for the fetch, or it for that of others. */
  #mayBeShared({ exchange, asked }: Question, sharedAs: string, entry: Entry | null, nowMs: number): boolean {
    if (this.spec.waitMs === 0 || asked?.noCache === true) return false;
    // A response to somebody known is seldom for others, and one that is never fresh is for nobody else.
    if (isPersonal(exchange) || entry?.freshness.lifetimeMs === 0) return false;
    return !this.passes.has(sharedAs, nowMs);
  }

  #passBy(exchange: Exchange, why: Forwarded): Step {
    this.thread.metrics.add(Counter.cacheBypassed);
    return this.#sendOn(exchange, why);
  }

  #sendOn(exchange: Exchange, forwarded: Forwarded): Step {
    if (this.spec.statusField)
      exchange.client = new StatusLayer(exchange.client, forwardedStatus({ forwarded }));
    return Step.goOn;
  }
}

/** Tells that the cache had no part in a response. */
class StatusLayer extends ClientLayer {
  readonly #status: string;

  constructor(next: ClientStream, status: string) {
    super(next);
    this.#status = status;
  }

  override sendHead(head: ResponseHead, body: Buffer | null, last: boolean, lent: boolean): boolean {
    head.headers.add("Cache-Status", this.#status, Field.other);
    return this.next.sendHead(head, body, last, lent);
  }
}

/** Before the client hears that its change was made, nobody is answered with what was kept before (RFC 9111 section 4.4). */
class Changing extends ClientLayer {
  readonly #exchange: Exchange;
  readonly #thread: ThreadContext;

  constructor(exchange: Exchange, thread: ThreadContext) {
    super(exchange.client);
    this.#exchange = exchange;
    this.#thread = thread;
  }

  override sendHead(head: ResponseHead, body: Buffer | null, last: boolean, lent: boolean): boolean {
    if (head.status >= 200 && head.status < 400)
      this.#thread.active.caches.changed(this.#exchange, head.headers);
    return this.next.sendHead(head, body, last, lent);
  }
}
