// What is measured: which balancer, among how many backends, in what state, asked by whom.

import type { BalancerName } from "../../src/config/snapshot.ts";
import { type ClientStream, Exchange, type RequestHead } from "../../src/core/exchange.ts";
import { HeaderList } from "../../src/core/headers.ts";
import { BackendShare, createBackendState } from "../../src/core/shared/backend-state.ts";
import { type Balancer, type Candidate, createBalancer } from "../../src/data/upstream/balancers/balancer.ts";

export interface Case {
  readonly title: string;
  readonly size: number;
  readonly balancer: Balancer;
  readonly backends: readonly Candidate[];
  /** Asked for in turn. */
  readonly exchanges: readonly Exchange[];
}

export const SIZES = [2, 16, 256] as const;

const COOKIE = "sluice_backend";
const CLIENTS = 64;

/** What the loop itself costs, with the call in it. */
const NOTHING: Balancer = { pick: (_exchange, candidates) => candidates[0]! };

const BUSY: readonly BalancerName[] = [
  "round_robin",
  "weight",
  "random",
  "two_choices",
  "least_connections",
  "least_connections_weight",
  "least_time",
  "ip_hash",
  "consistent_hash",
  "performance_least_connections_weight",
];

/** Those to which it matters: all backends have the same score, and turns are taken. */
const IDLE: readonly BalancerName[] = [
  "least_connections",
  "least_connections_weight",
  "least_time",
  "performance_least_connections_weight",
];

export function allCases(): Case[] {
  return SIZES.flatMap((size) => {
    const busy = createBackends(size, true);
    const idle = createBackends(size, false);
    const strangers = createExchanges(() => "");
    const sticky = create("sticky", busy);
    const known = createExchanges((client) => {
      const exchange = strangers[client]!;
      sticky.pick(exchange, busy);
      return `; ${exchange.setCookie!.split(";")[0]}`;
    });
    return [
      { title: "(the loop alone)", size, balancer: NOTHING, backends: busy, exchanges: strangers },
      ...BUSY.map((name) => ({
        title: name,
        size,
        balancer: create(name, busy),
        backends: busy,
        exchanges: strangers,
      })),
      { title: "sticky", size, balancer: sticky, backends: busy, exchanges: known },
      { title: "sticky, new client", size, balancer: sticky, backends: busy, exchanges: strangers },
      ...IDLE.map((name) => ({
        title: `${name}, idle`,
        size,
        balancer: create(name, idle),
        backends: idle,
        exchanges: strangers,
      })),
    ];
  });
}

function create(name: BalancerName, backends: readonly Candidate[]): Balancer {
  return createBalancer(name, {
    upstream: "app",
    backends,
    offset: 0,
    hashKey: { from: "header", name: "x-session" },
    sticky: { cookie: COOKIE, secret: "the secret of a benchmark", maxAge: null, secure: false },
  });
}

/** Busy ones have 0 to 6 exchanges in flight, a time and a report, no two in a row the same. */
function createBackends(size: number, busy: boolean): Candidate[] {
  return Array.from({ length: size }, (_, index) => {
    const state = new BackendShare(createBackendState(1), 0);
    if (busy) {
      for (let i = 0; i < (index * 5) % 7; i++) state.beginExchange();
      state.recordTime(500 + ((index * 37) % 1000), Date.now());
      state.report(((index * 11) % 17) / 17, Date.now());
    }
    return { spec: { id: `http://10.0.0.${index}:8080`, weight: 100 + 50 * (index % 3) }, index, state };
  });
}

/** As a browser would send them; the session is a UUID. */
function createExchanges(cookieOf: (client: number) => string): Exchange[] {
  return Array.from({ length: CLIENTS }, (_, client) => {
    const headers = new HeaderList();
    headers.add("Host", "shop.example.com");
    headers.add("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");
    headers.add("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
    headers.add("Accept-Language", "en-GB,en;q=0.5");
    headers.add("X-Session", `${String(client).padStart(8, "0")}-8d1f-4c60-9f3a-0b7d5e2c4a19`);
    headers.add("Cookie", `theme=dark; consent=1785542400${cookieOf(client)}; lang=en`);
    const request = { path: "/items/42", query: "?page=2", headers } as RequestHead;
    return new Exchange(request, null as unknown as ClientStream, `203.0.113.${client}`, 0);
  });
}
