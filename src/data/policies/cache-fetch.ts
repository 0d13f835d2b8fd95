// A request of the cache to the backend, for one exchange or for many that ask for the same: the first one is told what
// comes as it comes, whatever that is; the others wait for what may be kept. It belongs to none of them, so that a client
// which goes away, or is slow, holds up nobody. Data threads.
//
//   head ─▶ kept: everyone is sent the body from the cache, each at its own pace ─▶ end: into the store
//     ├──▶ not to be kept: passed on to the first one; the others ask for themselves, all at once
//     ├──▶ 304: what was kept is it
//     └──▶ the backend failed: what was kept stands in, where it may; else everyone hears of it

import { clockMs } from "../../core/clock.ts";
import { Timed } from "../../core/deadlines.ts";
import { GatewayError } from "../../core/errors.ts";
import { type Exchange, type ResponseHead, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { Field, type HeaderList } from "../../core/headers.ts";
import { Counter } from "../../core/metrics.ts";
import { InnerClient, type InnerUser } from "../inner-client.ts";
import { failExchange, type PolicyRun } from "../pipeline.ts";
import type { CacheRoute } from "./cache.ts";
import { answerKept, wholeSource } from "./cache-answer.ts";
import { BodySender, GrowingBody, type SenderWatcher } from "./cache-body.ts";
import { confirms, isConditional, isNotModified, setConditions } from "./cache-conditions.ts";
import { Entry, freshenedHeaders, keptHeaders, Use } from "./cache-entry.ts";
import { type Asker, freshnessOf } from "./cache-freshness.ts";
import { PassedOn } from "./cache-passing.ts";
import { type Question, Reader, type Source } from "./cache-reader.ts";
import type { Room } from "./cache-room.ts";
import { type Forwarded, type ForwardedStatus, forwardedStatus } from "./cache-status.ts";
import type { ResourceName } from "./cache-store.ts";
import { varyKey, varyNames } from "./cache-vary.ts";

/** Exchanges that wait for one fetch at most: each is an open connection. */
export const MAX_WAITING = 10_000;
/** So much is read of an answer that nobody wants, to keep the connection to the backend. */
const UNWANTED_BYTES = 65_536;

const NO_BODY = Buffer.alloc(0);

const HEAD = 0;
const KEEPING = 1;
const PASSING = 2;
const UNWANTED = 3;
const OVER = 4;

export interface FetchPlan {
  readonly name: ResourceName;
  /** What it is found by; null for one that nobody else may wait for. */
  readonly sharedAs: string | null;
  /** What is kept and has to be confirmed, or null. */
  readonly entry: Entry | null;
  readonly forwarded: Forwarded;
}

export class Fetch extends Timed implements InnerUser, SenderWatcher, Source {
  readonly #route: CacheRoute;
  readonly #plan: FetchPlan;
  /** As the cache sees it: before what policies behind it do with the request. */
  readonly #asker: Asker;
  readonly #inner: InnerClient;
  #state = HEAD;
  /** The one whose request it is; null in the background, or when it went away. */
  #first: Reader | null = null;
  readonly #waiting = new Set<Reader>();
  #head: ResponseHead | null = null;
  #headSent = false;
  /** What the response becomes when it is whole, as yet without its body. */
  #kept: Entry | null = null;
  #body: GrowingBody | null = null;
  /** Of those that are sent the body while it comes; the first one's comes first. */
  readonly #senders: BodySender[] = [];
  /** What the first one gets of a response that is not kept. */
  #passed: PassedOn | null = null;
  #unwanted = 0;
  /** What it brings is not kept: the resource was changed meanwhile. */
  #outdated = false;

  /** In the name of the client of `exchange`. */
  constructor(route: CacheRoute, plan: FetchPlan, exchange: Exchange) {
    super();
    this.#route = route;
    this.#plan = plan;
    this.#asker = { request: exchange.request, personal: exchange.personal };
    const headers = exchange.request.headers.copy();
    // Where others may want it, the whole response is asked for.
    if (plan.sharedAs !== null || plan.entry !== null) setConditions(headers, plan.entry);
    this.#inner = new InnerClient(route.thread, exchange, { ...exchange.request, headers }, this);
  }

  get name(): ResourceName {
    return this.#plan.name;
  }

  /** `first` is null in the background. */
  start(run: PolicyRun, first: Question | null): void {
    const { flying, spec, thread } = this.#route;
    const { sharedAs } = this.#plan;
    if (first !== null) this.#first = new Reader(this, first);
    flying.add(this);
    if (sharedAs !== null) {
      this.#route.shared.set(sharedAs, this);
      thread.deadlines.set(this, spec.waitMs);
    }
    this.#inner.start((inner) => run.goOnWith(inner), null);
  }

  /** Returns false where the exchange has to go its own way. */
  join(question: Question): boolean {
    if (this.#isSending) return this.#sendTo(question, this.#kept!);
    if (this.#waiting.size >= MAX_WAITING) return false;
    this.#waiting.add(new Reader(this, question));
    return true;
  }

  /** The resource was changed, or is to be forgotten. */
  outdate(): void {
    this.#outdated = true;
    this.#unshare();
  }

  left(reader: Reader): void {
    this.#waiting.delete(reader);
    if (reader !== this.#first) return;
    this.#first = null;
    if (this.#state === PASSING || (this.#state === HEAD && this.#waiting.size === 0)) this.#giveUp();
  }

  drained(): void {
    if (this.#state === PASSING) this.#inner.drained();
  }

  /** It takes too long to be waited for. */
  override onDeadline(): void {
    if (this.#isSending) return;
    this.#unshare();
    this.#release(true);
  }

  // ---- from the backend ----

  onHead(head: ResponseHead): void {
    const { spec, zone } = this.#route;
    const { entry } = this.#plan;
    const nowMs = clockMs();
    this.#head = head;
    this.#tellFirst();
    if (entry !== null && head.status === 304) {
      this.#confirmed(head.headers, entry, nowMs);
      return;
    }
    if (head.status >= 500 && this.#standsIn(entry, nowMs)) {
      this.#standIn(entry, head.status);
      return;
    }
    const names = varyNames(head.headers);
    const mayBeKept =
      !this.#outdated && !zone.retired && head.bodyLength <= spec.maxObjectBytes && this.#isAsSeen(names);
    const freshness = mayBeKept ? freshnessOf(this.#asker, head, spec, nowMs) : null;
    const body = new GrowingBody(spec.maxObjectBytes, this.#room);
    const hasLength = head.bodyLength > 0 && head.status !== 204;
    if (freshness === null || names === null || (hasLength && !body.reserve(head.bodyLength))) {
      this.#pass(head);
      return;
    }
    this.#state = KEEPING;
    this.#kept = new Entry({
      status: head.status,
      reason: head.reason,
      headers: keptHeaders(head, Date.now()),
      body: NO_BODY,
      freshness,
      varyNames: names,
      varyKey: varyKey(names, this.#asker.request.headers),
    });
    this.#body = body;
    // What comes together with the head goes out with it.
    queueMicrotask(() => {
      if (this.#state === KEEPING) this.#begin(this.#kept!, this.#body!);
    });
  }

  onBody(chunk: Buffer): boolean {
    if (this.#state === PASSING) return this.#passed!.pass(chunk);
    if (this.#state === UNWANTED) {
      this.#unwanted += chunk.length;
      if (this.#unwanted > UNWANTED_BYTES) this.#giveUp();
      return true;
    }
    if (!this.#body!.append(chunk)) return this.#tooLong(chunk);
    this.#pump();
    return true;
  }

  onEnd(trailers: HeaderList | null): void {
    if (this.#state === KEEPING) this.#keep(this.#kept!, this.#body!);
    const passed = this.#state === PASSING ? this.#passed : null;
    this.#over();
    passed?.end(trailers);
  }

  onFailed(error: GatewayError): void {
    const { entry } = this.#plan;
    this.#tellFirst();
    if (this.#state === HEAD && error.source === "upstream" && this.#standsIn(entry, clockMs())) {
      this.#standIn(entry, error.status);
      this.#over();
      return;
    }
    const readers = this.#first === null ? [...this.#waiting] : [this.#first, ...this.#waiting];
    this.#waiting.clear();
    this.#over();
    for (const { exchange } of readers) failExchange(exchange, error);
    for (const sender of this.#senders) sender.fail(error);
  }

  // ---- a response that is kept ----

  #keep(kept: Entry, body: GrowingBody): void {
    const { zone } = this.#route;
    const entry = new Entry({ ...kept, body: body.end() });
    // Whoever asks from now on finds it there.
    if (!this.#outdated) zone.keep(this.#plan.name, entry);
    this.#begin(entry, body);
    this.#pump();
  }

  /** Everyone who may be sent the body while it comes, is. Called again at its end. */
  #begin(entry: Entry, body: GrowingBody): void {
    if (!this.#headSent && this.#first !== null) this.#beginFirst(this.#first, entry, body);
    this.#headSent = true;
    if (!body.whole && !this.#isSending) return;
    for (const reader of this.#waiting)
      if (this.#sendTo(reader.question, entry)) this.#waiting.delete(reader);
    this.#release(false);
  }

  /** Everyone who asks is sent the body while it comes. One without a length could turn out to be too long for that. */
  get #isSending(): boolean {
    return this.#state === KEEPING && this.#headSent && this.#head!.bodyLength !== UNKNOWN_LENGTH;
  }

  /** Returns false where the response is none for that request. */
  #sendTo(question: Question, entry: Entry): boolean {
    if (!this.#isFor(question, entry)) return false;
    this.#route.thread.metrics.add(Counter.cacheCollapsed);
    this.#answer(question.exchange, entry, this.#status({ collapsed: true }));
    return true;
  }

  #beginFirst({ exchange }: Reader, entry: Entry, body: GrowingBody): void {
    const { headers } = exchange.request;
    const status = this.#status({ stored: !this.#outdated });
    if (isConditional(headers) && isNotModified(headers, entry)) {
      this.#first = null;
      this.#answer(exchange, entry, status);
      return;
    }
    const head = this.#head!;
    if (status !== "") head.headers.add("Cache-Status", status, Field.other);
    // Trailers are not kept, and not sent with what is.
    head.headers.remove(Field.trailer);
    const sender = new BodySender(exchange, body, this.#room, this);
    this.#senders.push(sender);
    sender.start(body.whole ? { ...head, bodyLength: body.bytes.length } : head);
  }

  #answer(exchange: Exchange, entry: Entry, status: string): void {
    const body = this.#body!;
    const bodyLength = body.whole ? body.bytes.length : this.#head!.bodyLength;
    const sender = answerKept(exchange, entry, { source: body, bodyLength, room: this.#room, status });
    if (sender !== null) this.#senders.push(sender);
  }

  #pump(): void {
    for (let i = 0; i < this.#senders.length; i++) this.#senders[i]!.pump();
  }

  /** A field that a policy behind the cache changed tells nothing of the requests that the cache sees. */
  #isAsSeen(names: readonly string[] | null): boolean {
    const { headers } = this.#inner.exchange.request;
    return names !== null && varyKey(names, headers) === varyKey(names, this.#asker.request.headers);
  }

  /** Whether the response answers that request, too. */
  #isFor({ exchange, asked }: Question, entry: Entry): boolean {
    const isVariant = varyKey(entry.varyNames, exchange.request.headers) === entry.varyKey;
    return isVariant && entry.useFor(asked, clockMs()) === Use.fresh;
  }

  /** A body without a declared length, which nobody but the first one was sent anything of. */
  #tooLong(chunk: Buffer): boolean {
    this.#outdated = true;
    this.#begin(this.#kept!, this.#body!);
    this.#state = PASSING;
    this.#passShared();
    const first = this.#first;
    const [sender] = this.#senders;
    if (first === null || sender === undefined || first.exchange.finished) {
      this.#giveUp();
      return true;
    }
    this.#passed = new PassedOn(first.exchange, this.#head!);
    this.#passed.goOn(sender.caughtUp);
    if (sender.caughtUp) first.exchange.action = first;
    return this.#passed.pass(chunk);
  }

  caughtUp(): void {
    if (this.#passed === null) return;
    if (this.#first !== null) this.#first.exchange.action = this.#first;
    if (this.#passed.caughtUp()) this.#inner.drained();
  }

  /** The first one went away while it was sent the body: what is to be kept is fetched all the same. */
  gone(): void {
    this.#first = null;
    if (this.#state === PASSING) this.#giveUp();
  }

  // ---- a response that is not kept ----

  #pass(head: ResponseHead): void {
    this.#state = PASSING;
    this.#passShared();
    const first = this.#first;
    if (first === null) {
      this.#giveUp();
      return;
    }
    const status = this.#status({});
    if (status !== "") head.headers.add("Cache-Status", status, Field.other);
    this.#passed = new PassedOn(first.exchange, head);
    this.#passed.begin();
  }

  /** Nobody waits for what is not kept, nor will anybody for a while. */
  #passShared(): void {
    const { entry, name, sharedAs } = this.#plan;
    const { zone, passes } = this.#route;
    // What was kept is not what there is now.
    if (entry !== null && this.#head!.status < 500) zone.drop(name.key, entry);
    if (sharedAs !== null) passes.add(sharedAs);
    this.#unshare();
    this.#release(true);
  }

  // ---- what is kept already ----

  #confirmed(changes: HeaderList, entry: Entry, nowMs: number): void {
    const { zone, spec, thread } = this.#route;
    this.#state = UNWANTED;
    if (!confirms(changes, entry)) {
      zone.drop(this.name.key, entry);
      this.#unshare();
      this.#releaseAll();
      return;
    }
    thread.metrics.add(Counter.cacheRevalidated);
    const headers = freshenedHeaders(entry.headers, changes, Date.now());
    const all = headers.copy();
    const age = changes.find("age");
    if (age !== null) all.add("Age", age, Field.other);
    const freshness = freshnessOf(this.#asker, { status: entry.status, headers: all }, spec, nowMs);
    const next = new Entry({ ...entry, headers, freshness: freshness ?? entry.freshness });
    if (freshness === null || this.#outdated) zone.drop(this.name.key, entry);
    else zone.keep(this.#plan.name, next);
    const source = wholeSource(next);
    const room = this.#room;
    const bodyLength = next.body.length;
    const first = this.#first;
    this.#first = null;
    if (first !== null)
      answerKept(first.exchange, next, { source, bodyLength, room, status: this.#status({ status: 304 }) });
    for (const reader of this.#waiting) {
      if (freshness === null || !this.#isFor(reader.question, next)) continue;
      this.#waiting.delete(reader);
      thread.metrics.add(Counter.cacheCollapsed);
      answerKept(reader.exchange, next, {
        source,
        bodyLength,
        room,
        status: this.#status({ collapsed: true }),
      });
    }
    this.#unshare();
    this.#release(true);
  }

  /** Whether what is kept may be used in place of a failure. Not where the client asked for what the backend says. */
  #standsIn(entry: Entry | null, nowMs: number): entry is Entry {
    return entry?.standsInAt(nowMs) === true && this.#plan.forwarded !== "request";
  }

  #standIn(entry: Entry, status: number): void {
    const { metrics } = this.#route.thread;
    this.#state = UNWANTED;
    const source = wholeSource(entry);
    const readers = this.#first === null ? [...this.#waiting] : [this.#first, ...this.#waiting];
    this.#first = null;
    this.#waiting.clear();
    this.#unshare();
    for (const { exchange } of readers) {
      metrics.add(Counter.cacheStaleHits);
      answerKept(exchange, entry, {
        source,
        bodyLength: entry.body.length,
        room: this.#room,
        status: this.#status({ status }),
      });
    }
  }

  // ---- its end ----

  /** Those that wait ask again; `alone` for what nobody may wait for. */
  #release(alone: boolean): void {
    const readers = [...this.#waiting];
    this.#waiting.clear();
    const names = this.#kept?.varyNames ?? null;
    for (const { question } of readers) this.#route.again(question, alone, names);
  }

  #releaseAll(): void {
    const first = this.#first;
    this.#first = null;
    if (first !== null) this.#route.again(first.question, true, null);
    this.#release(true);
  }

  #giveUp(): void {
    this.#over();
    this.#inner.abort(new GatewayError("client_gone", "nobody waits for the response any more"));
  }

  #over(): void {
    this.#body?.leaveRoom();
    this.#state = OVER;
    this.#first = null;
    this.#unshare();
    this.#route.flying.delete(this);
  }

  #unshare(): void {
    const { shared, thread } = this.#route;
    const { sharedAs } = this.#plan;
    thread.deadlines.remove(this);
    if (sharedAs !== null && shared.get(sharedAs) === this) shared.delete(sharedAs);
  }

  get #room(): Room {
    return this.#route.zone.store.room;
  }

  /** Where the response came from, for the log. */
  #tellFirst(): void {
    const { exchange } = this.#inner;
    const first = this.#first?.exchange;
    if (first === undefined) return;
    first.upstream = exchange.upstream;
    first.backend = exchange.backend;
    first.upstreamMs = exchange.upstreamMs;
  }

  #status(about: Omit<ForwardedStatus, "forwarded">): string {
    const { statusField } = this.#route.spec;
    return statusField ? forwardedStatus({ ...about, forwarded: this.#plan.forwarded }) : "";
  }
}
