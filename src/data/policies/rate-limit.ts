// The policy `rate_limit`: counts a request against the limits of its route, over all data threads, and refuses it with 429
// where one of them is used up. Runs in data threads.

import type { RateLimitSpec, RateRule } from "../../config/snapshot.ts";
import { GatewayError } from "../../core/errors.ts";
import type { ClientStream, Exchange, ResponseHead, TunnelEnd } from "../../core/exchange.ts";
import { Field, type HeaderList } from "../../core/headers.ts";
import { readAddressCells } from "../../core/ip.ts";
import { Counter } from "../../core/metrics.ts";
import { RateTable, sharedClock } from "../../core/shared/rate-table.ts";
import { failExchange } from "../pipeline.ts";
import type { ThreadContext } from "../thread-context.ts";
import { readHashKey } from "../upstream/hash-key.ts";
import { ClientLayer } from "./client-layer.ts";
import { type Policy, Step } from "./policy.ts";

/** Keys of different kinds never meet: a request without the header is counted by its client. */
const BY_CLIENT = 1;
const BY_TEXT = 2;
const ADDRESS_CELLS = 4;
/** The third cell of an IPv4 address in its IPv6 form. */
const MAPPED = 0xffff;

export function createRateLimit(spec: RateLimitSpec, thread: ThreadContext): Policy {
  return new RateLimit(spec, thread);
}

class RateLimit implements Policy {
  readonly #spec: RateLimitSpec;
  readonly #thread: ThreadContext;
  readonly #rules: readonly RateRule[];
  readonly #tables: readonly RateTable[];
  readonly #policyField: string;
  /** What stands before the number that is left, for each rule. */
  readonly #leftStarts: readonly string[];
  readonly #ipv6Mask: readonly number[];
  readonly #address = new Int32Array(ADDRESS_CELLS);

  constructor(spec: RateLimitSpec, thread: ThreadContext) {
    this.#spec = spec;
    this.#thread = thread;
    this.#rules = spec.rules;
    this.#tables = spec.rules.map((rule) => new RateTable(rule.shared!, rule));
    this.#policyField = spec.rules.map(policyItem).join(", ");
    this.#leftStarts = spec.rules.map(({ name }, i) => `${i === 0 ? "" : ", "}${quoted(name)};r=`);
    this.#ipv6Mask = Array.from({ length: ADDRESS_CELLS }, (_, i) => maskOf(spec.ipv6Bits - 32 * i));
  }

  enter(exchange: Exchange): Step {
    const passes = this.#count(exchange);
    if (this.#spec.dryRun) {
      if (!passes) this.#tell(exchange);
      return Step.goOn;
    }
    if (this.#spec.tells) {
      const retryAfter = passes ? "" : String(this.#waitSeconds());
      exchange.client = new RateLimitFields(
        exchange.client,
        this.#policyField,
        this.#leftField(),
        retryAfter,
      );
    }
    if (passes) return Step.goOn;
    const seconds = this.#waitSeconds();
    if (!this.#spec.tells) exchange.client = new RateLimitFields(exchange.client, "", "", String(seconds));
    failExchange(exchange, new GatewayError("rate_limited", `too many requests: try again in ${seconds} s`));
    return Step.answered;
  }

  /** All limits are held at once, each in its turn, so that none is charged where another one refuses. */
  #count(exchange: Exchange): boolean {
    const tables = this.#tables;
    for (let i = 0; i < tables.length; i++) this.#hashKey(exchange, this.#rules[i]!, tables[i]!);
    const now = sharedClock();
    let passes = true;
    let forgot = 0;
    for (let i = 0; i < tables.length; i++) {
      tables[i]!.hold(now);
      if (!tables[i]!.passes) passes = false;
    }
    for (let i = 0; i < tables.length; i++) {
      if (passes && !tables[i]!.charge()) forgot++;
      tables[i]!.release();
    }
    if (forgot > 0) this.#thread.metrics.add(Counter.rateKeysForgotten, forgot);
    return passes;
  }

  #hashKey(exchange: Exchange, { by }: RateRule, { hash }: RateTable): void {
    const key = by.from === "all" ? "" : by.from === "client" ? null : readHashKey(exchange, by);
    if (key !== null) {
      hash.ofText(BY_TEXT, key);
      return;
    }
    const cells = this.#address;
    if (!readAddressCells(exchange.clientAddress, cells)) {
      hash.ofText(BY_CLIENT, exchange.clientAddress);
      return;
    }
    const isV4 = cells[0] === 0 && cells[1] === 0 && cells[2] === MAPPED;
    if (!isV4) for (let i = 0; i < ADDRESS_CELLS; i++) cells[i]! &= this.#ipv6Mask[i]!;
    hash.ofCells(BY_CLIENT, cells);
  }

  #waitSeconds(): number {
    let seconds = 1;
    for (let i = 0; i < this.#tables.length; i++) seconds = Math.max(seconds, this.#tables[i]!.waitSeconds);
    return seconds;
  }

  /** The value of RateLimit: what is left, and until when; where nothing is left, when there will be something. */
  #leftField(): string {
    let text = "";
    for (let i = 0; i < this.#tables.length; i++) {
      const table = this.#tables[i]!;
      const { remaining } = table;
      const seconds = remaining > 0 ? table.fullSeconds : table.waitSeconds;
      text += `${this.#leftStarts[i]!}${remaining};t=${seconds}`;
    }
    return text;
  }

  #tell({ route, clientAddress }: Exchange): void {
    this.#thread.metrics.add(Counter.rateLimitedDryRun);
    const message = "rate_limit would refuse a request (dry_run)";
    this.#thread.reporter.report("warn", "rate_limit (dry_run)", message, { route, client: clientAddress });
  }
}

/**
 * An item of RateLimit-Policy: `q` requests in `w` whole seconds. That is the burst and the time in which it is there again,
 * or, where that is less than a second, what comes in one.
 */
function policyItem({ name, requests, periodMs, burst }: RateRule): string {
  const perSecond = (requests * 1000) / periodMs;
  const seconds = Math.max(Math.ceil(burst / perSecond), 1);
  const quota = burst < perSecond ? Math.floor(perSecond) : burst;
  return `${quoted(name)};q=${quota};w=${seconds}`;
}

/** A string of RFC 9651. */
function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
}

/** The mask of one cell of which so many leading bits count. */
function maskOf(bits: number): number {
  if (bits >= 32) return -1;
  return bits <= 0 ? 0 : -1 << (32 - bits);
}

/** draft-ietf-httpapi-ratelimit-headers-11. A backend's own fields stay: each is a list, and theirs are other policies. */
class RateLimitFields extends ClientLayer {
  readonly #policy: string;
  readonly #left: string;
  readonly #retryAfter: string;

  /** What is empty is not sent. */
  constructor(next: ClientStream, policy: string, left: string, retryAfter: string) {
    super(next);
    this.#policy = policy;
    this.#left = left;
    this.#retryAfter = retryAfter;
  }

  override sendHead(head: ResponseHead, body: Buffer | null, last: boolean, lent = false): boolean {
    this.#addTo(head.headers);
    return this.next.sendHead(head, body, last, lent);
  }

  override switchProtocols(head: ResponseHead, protocol: string): TunnelEnd {
    this.#addTo(head.headers);
    return this.next.switchProtocols(head, protocol);
  }

  #addTo(headers: HeaderList): void {
    if (this.#policy !== "") headers.add("RateLimit-Policy", this.#policy, Field.other);
    if (this.#left !== "") headers.add("RateLimit", this.#left, Field.other);
    if (this.#retryAfter !== "") headers.add("Retry-After", this.#retryAfter, Field.other);
  }
}
