// The names of backends as a test follows them: what they lead to, when that changes, and what is logged.

import type { ResolverSpec } from "../../src/config/compile.ts";
import type { BackendPlan, UpstreamPlan } from "../../src/config/snapshot.ts";
import { createLog, type Log } from "../../src/control/log.ts";
import { Names, type NamesSystem } from "../../src/control/names/names.ts";

export interface WatchedSetting extends Partial<NamesSystem>, Partial<ResolverSpec> {
  readonly servers: readonly string[];
  readonly previous?: Names;
}

/** Names, and all they say. Where there are several plans, their ids are b0, b1 … */
export class WatchedNames {
  readonly names: Names;
  readonly plans: readonly BackendPlan[];
  /** `level: message` each. */
  readonly lines: string[] = [];
  changes = 0;
  #seen = 0;
  readonly #waiting = new Set<() => void>();

  constructor(plans: readonly BackendPlan[], setting: WatchedSetting) {
    const { servers, previous = null, ...rest } = setting;
    const { minTtlMs = 0, maxTtlMs = 60_000, timeoutMs = 5000, ...system } = rest;
    this.plans = plans.map((plan, i) => (plans.length === 1 ? plan : { ...plan, id: `b${i}` }));
    const onChange = () => {
      this.changes++;
      this.#happened();
    };
    const log = logTo((line) => {
      this.lines.push(line);
      this.#happened();
    });
    const resolver = { servers, minTtlMs, maxTtlMs, timeoutMs };
    this.names = new Names(
      { resolver, upstreams: [upstreamOf(this.plans)], log, onChange, previous },
      system,
    );
  }

  /** `id=address:port` for each place, `id=none` for a backend without any. */
  readonly shown = (): string => {
    return this.plans
      .flatMap((plan) => {
        const places = this.names.placesOf(plan);
        return places.length === 0
          ? [`${plan.id}=none`]
          : places.map(({ address, port }) => `${plan.id}=${address}:${port}`);
      })
      .join(" ");
  };

  /** Resolves with the next change that was not waited for. */
  async changed(): Promise<void> {
    await this.#until(() => this.changes > this.#seen);
    this.#seen++;
  }

  /** Resolves when the places are these: DNS and the hosts file do not change at the same time. */
  became(shown: string): Promise<void> {
    return this.#until(() => this.shown() === shown);
  }

  logged(what: RegExp): Promise<void> {
    return this.#until(() => this.lines.some((line) => what.test(line)));
  }

  /** Resolves when so many lines were logged. */
  said(count: number): Promise<void> {
    return this.#until(() => this.lines.length >= count);
  }

  #until(done: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!done()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }

  #happened(): void {
    for (const look of this.#waiting) look();
  }
}

function logTo(take: (line: string) => void): Log {
  const write = (text: string) => {
    const { level, msg } = JSON.parse(text) as { level: string; msg: string };
    take(`${level}: ${msg}`);
  };
  const stream: unknown = { isTTY: false, write, on: () => {} };
  return createLog(stream as NodeJS.WriteStream);
}

export function planOf(own: Partial<BackendPlan>): BackendPlan {
  const place = { host: "", port: 80, srv: null, socketPath: null };
  const rest = { maxConnections: 1, tls: null, proxyProtocol: null, healthCheck: null };
  const protocol = "http1";
  return { id: "b", weight: 100, backup: false, protocol, ...place, ...rest, ...own };
}

function upstreamOf(backends: readonly BackendPlan[]): UpstreamPlan {
  const limits = { queue: { size: 0, timeoutMs: 1 }, ejection: null, circuit: null };
  const rest = {
    failureStatuses: [],
    retryBudget: { share: 0, least: 0 },
    slowStartMs: 0,
    panicThreshold: 0,
  };
  return { name: "u", ...limits, ...rest, backends };
}
