// What the gateway counts, in one piece of shared memory. Made by the control thread; each data thread writes a region
// of its own without locks, and only the number of open connections, which has an exact limit, is changed by all.
//
//   | open connections, int32 | region of data thread 0 | region of data thread 1 | …     each part on its own cache lines
//   region, float64: | counters | failures by error code | own connections | request times | upstream times |

import { ERRORS, type ErrorCode } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import { HISTOGRAM_CELLS, Histogram } from "./histogram.ts";

/** Cells of a region by name. All but those of `GAUGES` only grow. */
export const Counter = {
  requests: 0,
  responses1xx: 1,
  responses2xx: 2,
  responses3xx: 3,
  responses4xx: 4,
  responses5xx: 5,
  /** Responses that were cut before their end. */
  responsesAborted: 6,
  bytesIn: 7,
  bytesOut: 8,
  connectionsAccepted: 9,
  /** Refused at `max_conn`. */
  refusedAtMaxConnections: 10,
  /** Refused because the process could open no more files. */
  refusedAtFileLimit: 11,
  upstreamConnectionsOpened: 12,
  /** Requests sent on a connection to a backend that had carried another. */
  upstreamConnectionsReused: 13,
  retries: 14,
  tunnelsOpen: 15,
  /** Exchanges that had to wait for a backend with room. */
  queued: 16,
  ejections: 17,
  circuitsOpened: 18,
  /** Requests of which a copy went to another upstream. */
  mirrored: 19,
  /** Refused at `max_conn_per_client`. */
  refusedAtClientLimit: 20,
  /** Connections whose PROXY protocol header was missing or broken. */
  refusedProxyHeaders: 21,
  /** Requests that were to be copied, but there was no room for the copy, or no connection. */
  mirrorsDropped: 22,
  /** TLS handshakes with clients that came to nothing. */
  failedHandshakes: 23,
  /** Clients or keys whose requests a rate limit no longer knew of, for lack of room. */
  rateKeysForgotten: 24,
  /** Requests that a rate limit would have refused. */
  rateLimitedDryRun: 25,
  /** Answered with a response that was kept, past its time or not. */
  cacheHits: 26,
  /** Of these, past its time. */
  cacheStaleHits: 27,
  /** Sent on, because nothing was kept that could be used. */
  cacheMisses: 28,
  /** Requests that waited for the response to another one and were answered with it. */
  cacheCollapsed: 29,
  /** Of those misses, kept responses that the backend confirmed. */
  cacheRevalidated: 30,
  /** Requests that the cache is not for. */
  cacheBypassed: 31,
  /** Responses kept now. */
  cacheEntries: 32,
  /** Bytes that they take. */
  cacheBytes: 33,
  /** TLS handshakes with clients that were accepted. */
  tlsHandshakes: 34,
  /** Those among them that went on with an earlier session. */
  tlsResumptions: 35,
  /** Handshakes that failed for the certificate of the client. */
  refusedClientCertificates: 36,
  /** WebSockets of apps that are open. */
  webSocketsOpen: 37,
  /** Messages of clients to apps. */
  webSocketMessagesIn: 38,
  /** Messages of apps to clients. */
  webSocketMessagesOut: 39,
  /** WebSockets of apps that were closed because a message was too long, or too much of them waited. */
  webSocketsOverLimit: 40,
} as const;

/** Those that tell how it is now. */
const GAUGES = [Counter.tunnelsOpen, Counter.cacheEntries, Counter.cacheBytes, Counter.webSocketsOpen];

export type CounterName = keyof typeof Counter;

const COUNTER_NAMES = Object.keys(Counter) as CounterName[];
const ERROR_CODES = Object.keys(ERRORS) as ErrorCode[];

const FAILURES = COUNTER_NAMES.length;
const OWN_CONNECTIONS = FAILURES + ERROR_CODES.length;
const REQUEST_TIMES = OWN_CONNECTIONS + 1;
const UPSTREAM_TIMES = REQUEST_TIMES + HISTOGRAM_CELLS;
const REGION_CELLS = UPSTREAM_TIMES + HISTOGRAM_CELLS;

const CACHE_LINE_BYTES = 64;
const REGION_BYTES = Math.ceil((REGION_CELLS * 8) / CACHE_LINE_BYTES) * CACHE_LINE_BYTES;

/** Made once by the control thread, with a region for each data thread. */
export function createMetrics(threads: number): GatewayMetrics {
  return new GatewayMetrics(new SharedArrayBuffer(CACHE_LINE_BYTES + threads * REGION_BYTES), threads);
}

/** The view of the data thread with that index. */
export function threadMetrics(shared: SharedArrayBuffer, index: number): ThreadMetrics {
  return new ThreadMetrics(shared, index);
}

export interface Totals {
  /** Client connections open now. */
  readonly connections: number;
  readonly counters: Readonly<Record<CounterName, number>>;
  readonly failures: Readonly<Record<ErrorCode, number>>;
  /** From the end of the request head to the end of the response. */
  readonly requestTimes: Histogram;
  /** From the end of the request head to the head of the backend's response. */
  readonly upstreamTimes: Histogram;
}

/** The reader's view of all threads. */
export class GatewayMetrics {
  /** For `threadMetrics` in the data threads. */
  readonly shared: SharedArrayBuffer;
  readonly #connections: Int32Array;
  readonly #regions: readonly Region[];

  constructor(shared: SharedArrayBuffer, threads: number) {
    this.shared = shared;
    this.#connections = new Int32Array(shared, 0, 1);
    this.#regions = Array.from({ length: threads }, (_, index) => regionOf(shared, index));
  }

  /** Sums over all threads. Counters of one request that is being counted may be one apart. */
  readTotals(): Totals {
    const requestTimes = new Histogram();
    const upstreamTimes = new Histogram();
    for (const region of this.#regions) {
      requestTimes.merge(region.requestTimes);
      upstreamTimes.merge(region.upstreamTimes);
    }
    return {
      connections: Atomics.load(this.#connections, 0),
      counters: this.#sums(COUNTER_NAMES, 0),
      failures: this.#sums(ERROR_CODES, FAILURES),
      requestTimes,
      upstreamTimes,
    };
  }

  /** Gives back what a data thread held that ended without closing its connections. What it counted stays. */
  forgetThread(index: number): void {
    const { cells } = this.#regions[index]!;
    Atomics.sub(this.#connections, 0, cells[OWN_CONNECTIONS]!);
    cells[OWN_CONNECTIONS] = 0;
    for (const counter of GAUGES) cells[counter] = 0;
  }

  #sums<Name extends string>(names: readonly Name[], first: number): Record<Name, number> {
    const sums = {} as Record<Name, number>;
    for (const [i, name] of names.entries()) {
      sums[name] = 0;
      for (const { cells } of this.#regions) sums[name] += cells[first + i]!;
    }
    return sums;
  }
}

/** The view of one data thread, the only writer of its region. */
export class ThreadMetrics {
  readonly requestTimes: Histogram;
  readonly upstreamTimes: Histogram;
  readonly #connections: Int32Array;
  readonly #cells: Float64Array;

  constructor(shared: SharedArrayBuffer, index: number) {
    const region = regionOf(shared, index);
    this.requestTimes = region.requestTimes;
    this.upstreamTimes = region.upstreamTimes;
    this.#cells = region.cells;
    this.#connections = new Int32Array(shared, 0, 1);
  }

  /** `counter` is one of `Counter`. */
  add(counter: number, by = 1): void {
    this.#cells[counter]! += by;
  }

  /** Counts one more open client connection unless `max` are open over all threads. */
  tryAcquireConnection(max: number): boolean {
    let open = Atomics.load(this.#connections, 0);
    while (open < max) {
      const found = Atomics.compareExchange(this.#connections, 0, open, open + 1);
      if (found === open) {
        this.add(OWN_CONNECTIONS);
        return true;
      }
      open = found;
    }
    return false;
  }

  releaseConnection(): void {
    this.add(OWN_CONNECTIONS, -1);
    Atomics.sub(this.#connections, 0, 1);
  }

  /** Counts an exchange that is over, whichever way. */
  finished(exchange: Finished, durationMs: number): void {
    const { status, error } = exchange;
    this.add(Counter.requests);
    if (status >= 100 && status < 600) this.add(Counter.responses1xx + Math.floor(status / 100) - 1);
    if (error !== null) this.add(FAILURES + ERROR_CODES.indexOf(error.code));
    if (exchange.cut) this.add(Counter.responsesAborted);
    this.add(Counter.bytesIn, exchange.bytesIn);
    this.add(Counter.bytesOut, exchange.bytesOut);
    this.requestTimes.record(durationMs * 1000);
    if (exchange.upstreamMs >= 0) this.upstreamTimes.record(exchange.upstreamMs * 1000);
  }
}

/** What is counted of an exchange. */
export type Finished = Pick<Exchange, "status" | "bytesIn" | "bytesOut" | "upstreamMs" | "error" | "cut">;

interface Region {
  readonly cells: Float64Array;
  readonly requestTimes: Histogram;
  readonly upstreamTimes: Histogram;
}

function regionOf(shared: SharedArrayBuffer, index: number): Region {
  const cells = new Float64Array(shared, CACHE_LINE_BYTES + index * REGION_BYTES, REGION_CELLS);
  return {
    cells,
    requestTimes: new Histogram(cells.subarray(REQUEST_TIMES, REQUEST_TIMES + HISTOGRAM_CELLS)),
    upstreamTimes: new Histogram(cells.subarray(UPSTREAM_TIMES, UPSTREAM_TIMES + HISTOGRAM_CELLS)),
  };
}
