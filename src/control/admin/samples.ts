// Remembers the last minute, a sample each second, so that rates can be told. Control thread.

import type { Totals } from "../../core/metrics.ts";
import { type CpuTimes, Machine, type Traffic } from "./machine.ts";
import type { DataThreadView, GatewayView } from "./view.ts";

export interface Sample {
  /** As from `performance.now()`. */
  readonly at: number;
  readonly totals: Totals;
  readonly cpu: CpuTimes;
  /** Null where the system does not tell. */
  readonly traffic: Traffic | null;
  /** By index. */
  readonly eventLoops: ReadonlyArray<DataThreadView["eventLoop"]>;
}

const INTERVAL_MS = 1000;
/** The longest time that can be looked back on. */
const SPAN_MS = 60_000;

export class Samples {
  readonly #view: GatewayView;
  readonly #machine: Machine;
  /** Oldest first; never empty. */
  readonly #kept: Sample[];
  readonly #timer: NodeJS.Timeout;

  constructor(view: GatewayView, machine = new Machine()) {
    this.#view = view;
    this.#machine = machine;
    this.#kept = [this.take()];
    this.#timer = setInterval(() => this.keep(this.take()), INTERVAL_MS).unref();
  }

  /** How things are now. */
  take(): Sample {
    return {
      at: performance.now(),
      totals: this.#view.readTotals(),
      cpu: this.#machine.cpuTimes(),
      traffic: this.#machine.traffic(),
      eventLoops: this.#view.dataThreads.map(({ eventLoop }) => eventLoop),
    };
  }

  /** `sample` is later than all before. */
  keep(sample: Sample): void {
    this.#kept.push(sample);
    // The last one before the span stays: it is the one to compare with.
    while (this.#kept[1]!.at <= sample.at - SPAN_MS) this.#kept.shift();
  }

  /** The youngest sample that is at least so much older than `now`; the oldest there is where none is. */
  before(now: Sample, ms: number): Sample {
    return this.#kept.findLast(({ at }) => at <= now.at - ms) ?? this.#kept[0]!;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** What `count` of the samples grew by per second. */
export function ratePerSecond(before: Sample, after: Sample, count: (sample: Sample) => number): number {
  const seconds = (after.at - before.at) / 1000;
  return seconds <= 0 ? 0 : (count(after) - count(before)) / seconds;
}
