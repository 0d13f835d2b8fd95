// A gateway with a cache and an origin behind it, whose counters a test can wait for. Runs in tests.

import { get } from "../admin/setting.ts";
import { type Answer, ask, type Client } from "../http/client.ts";
import { Pair, type PairOptions } from "../http/pair.ts";
import { valuesOf } from "../http/strict-reading.ts";

export interface CacheCounters {
  readonly hits: number;
  readonly stale_hits: number;
  readonly misses: number;
  readonly collapsed: number;
  readonly revalidated: number;
  readonly bypassed: number;
  readonly entries: number;
  readonly bytes: number;
}

export class CachePair {
  readonly pair: Pair;
  readonly adminPort: number;

  /** `cache` is the inside of the policy, as YAML flow. */
  static async start(cache: string, options: PairOptions = {}): Promise<CachePair> {
    const sections = `admin: { port: 0, open: true }\n${options.sections ?? ""}policies: { cache: { ${cache} } }\n`;
    const pair = await Pair.start({ ...options, sections });
    const { msg } = await pair.gateway.logged((line) => line.msg.startsWith("admin API on "));
    return new CachePair(pair, Number(/:(\d+)$/.exec(msg)?.[1]));
  }

  private constructor(pair: Pair, adminPort: number) {
    this.pair = pair;
    this.adminPort = adminPort;
  }

  stop(): Promise<void> {
    return this.pair.stop();
  }

  get origin(): Pair["origin"] {
    return this.pair.origin;
  }

  /** Asks on a connection of its own, and waits for no answer. */
  async send(target: string, fields = "", method = "GET"): Promise<Client> {
    const client = await this.pair.connect();
    client.send(`${method} ${target} HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n`);
    return client;
  }

  async ask(target: string, fields = "", method = "GET"): Promise<Answer> {
    const text = `${method} ${target} HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n`;
    return (await ask(this.pair.port, text)).answer;
  }

  async counters(): Promise<CacheCounters> {
    const { body } = await get(this.adminPort, "/api/v1/stats/server");
    return JSON.parse(body).stats.cache;
  }

  /** Resolves when the counters are so, at some time. */
  async until(isSo: (counters: CacheCounters) => boolean): Promise<CacheCounters> {
    for (;;) {
      const counters = await this.counters();
      if (isSo(counters)) return counters;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

export function statusOf({ fields }: Answer): string {
  return valuesOf(fields, "cache-status").join(" + ");
}

/** A response with a length. `fields` are whole lines, each with its end. */
export function response(fields: string, body: string, status = 200): string {
  return `HTTP/1.1 ${status} x\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;
}

export const FRESH = "Cache-Control: max-age=3600\r\n";

export function isHit(answer: Answer): boolean {
  return statusOf(answer).startsWith("sluice; hit");
}
