// What the tests of balancers are made of: backends over real shared memory, exchanges, and how far chance may go. It has
// no test of its own; its name keeps it out of what is published.

import assert from "node:assert/strict";
import { type ClientStream, Exchange, type RequestHead } from "../../../core/exchange.ts";
import { HeaderList } from "../../../core/headers.ts";
import { BackendShare, createBackendState } from "../../../core/shared/backend-state.ts";
import type { Balancer, BalancerSetting, Candidate } from "./balancer.ts";

export interface TestBackend extends Candidate {
  readonly state: BackendShare;
}

/** Idle backends with these weights, named a, b, c …, or `name27` and so on where letters run out. */
export function backendsOf(weights: readonly number[]): TestBackend[] {
  return weights.map((weight, index) => ({
    spec: { id: index < 26 ? String.fromCharCode(97 + index) : `name${index}`, weight },
    index,
    state: new BackendShare(createBackendState(1), 0),
  }));
}

/** `count` weights that are not all the same. */
export function mixedWeights(count: number): number[] {
  return Array.from({ length: count }, (_, i) => 100 + 50 * (i % 3));
}

export function settingOf(
  backends: readonly Candidate[],
  setting: Partial<Omit<BalancerSetting, "backends">> = {},
): BalancerSetting {
  return {
    upstream: "app",
    backends,
    offset: 0,
    hashKey: { from: "header", name: "x-user" },
    sticky: { cookie: "stay", secret: "a secret of the tests", maxAge: null, secure: false },
    ...setting,
  };
}

export interface TestRequest {
  readonly clientAddress?: string;
  readonly path?: string;
  readonly query?: string;
  readonly fields?: Readonly<Record<string, string>>;
}

export function exchangeOf({
  clientAddress = "192.0.2.1",
  path = "/",
  query = "",
  fields = {},
}: TestRequest = {}): Exchange {
  const headers = new HeaderList();
  for (const [name, value] of Object.entries(fields)) headers.add(name, value);
  return new Exchange(
    { path, query, headers } as RequestHead,
    { tls: null } as ClientStream,
    clientAddress,
    0,
  );
}

/** A request of the client with this number: its own address, its own name, no cookie. */
export function clientExchange(client: number): Exchange {
  const clientAddress = `10.${(client >> 16) & 255}.${(client >> 8) & 255}.${client & 255}`;
  return exchangeOf({ clientAddress, fields: { "X-User": `user-${client}` } });
}

/** The ids of the next `count` picks, as one text. */
export function picks(balancer: Balancer, candidates: readonly Candidate[], count: number): string {
  const exchange = exchangeOf();
  return Array.from({ length: count }, () => balancer.pick(exchange, candidates).spec.id).join("");
}

/** Picks by index of the backend, one for each of `count` different clients. */
export function tally(balancer: Balancer, candidates: readonly Candidate[], count: number): number[] {
  const counts = new Array<number>(Math.max(...candidates.map(({ index }) => index)) + 1).fill(0);
  for (let client = 0; client < count; client++) {
    counts[balancer.pick(clientExchange(client), candidates).index]! += 1;
  }
  return counts;
}

/** Puts exchanges on a backend until it has this many. */
export function fill({ state }: TestBackend, inFlight: number): void {
  while (state.inFlight < inFlight) state.beginExchange();
}

/**
 * Pearson's chi-square test: the counts could be draws with these shares. Draws that have them are refused less than once
 * in 5 million runs (5.2 standard deviations, quantile after Wilson and Hilferty).
 */
export function assertShares(counts: readonly number[], shares: readonly number[]): void {
  const total = sum(counts);
  const whole = sum(shares);
  let statistic = 0;
  let cells = 0;
  for (let i = 0; i < shares.length; i++) {
    const expected = (total * shares[i]!) / whole;
    if (expected === 0) {
      assert.equal(counts[i], 0, `${counts[i]} picks of number ${i}, which is due none`);
      continue;
    }
    statistic += (counts[i]! - expected) ** 2 / expected;
    cells++;
  }
  const spread = 2 / (9 * Math.max(1, cells - 1));
  const most = (cells - 1) * (1 - spread + 5.2 * Math.sqrt(spread)) ** 3;
  assert.ok(
    statistic <= most,
    `chi-square ${statistic} of ${cells} cells, expected at most ${most}: ${counts}`,
  );
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
