// The text format of Prometheus, version 0.0.4: families of samples, each with HELP and TYPE. Control thread.
// https://prometheus.io/docs/instrumenting/exposition_formats/

import type { Histogram } from "../../core/histogram.ts";

export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export type Labels = Readonly<Record<string, string>>;

/** Upper bounds of the buckets of times, in seconds. */
const BOUNDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];
const BOUNDS_US = BOUNDS.map((seconds) => Math.round(seconds * 1e6));

export class Exposition {
  readonly #families = new Map<string, string[]>();

  /** Only grows; the name ends in `_total`. Samples of one name may be added one by one, with the same help each time. */
  counter(name: string, help: string, value: number, labels: Labels = {}): void {
    this.#family(name, "counter", help).push(sample(name, labels, value));
  }

  gauge(name: string, help: string, value: number, labels: Labels = {}): void {
    this.#family(name, "gauge", help).push(sample(name, labels, value));
  }

  /** One of `states` is 1, the others are 0. */
  state<State extends string>(
    name: string,
    help: string,
    { states, current, labels }: { states: readonly State[]; current: State; labels: Labels },
  ): void {
    for (const state of states) this.gauge(name, help, state === current ? 1 : 0, { ...labels, state });
  }

  /** Of durations in µs; the samples are in seconds. */
  histogram(name: string, help: string, times: Histogram, labels: Labels = {}): void {
    const lines = this.#family(name, "histogram", help);
    const { count } = times;
    for (const [i, seen] of times.cumulative(BOUNDS_US).entries())
      lines.push(sample(`${name}_bucket`, { ...labels, le: String(BOUNDS[i]) }, seen));
    lines.push(sample(`${name}_bucket`, { ...labels, le: "+Inf" }, count));
    lines.push(sample(`${name}_sum`, labels, times.sum / 1e6));
    lines.push(sample(`${name}_count`, labels, count));
  }

  get text(): string {
    return [...this.#families.values()].map((lines) => `${lines.join("\n")}\n`).join("");
  }

  #family(name: string, type: string, help: string): string[] {
    let lines = this.#families.get(name);
    if (lines === undefined) {
      lines = [`# HELP ${name} ${help.replace(/[\\\n]/g, escaped)}`, `# TYPE ${name} ${type}`];
      this.#families.set(name, lines);
    }
    return lines;
  }
}

function sample(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${text.replace(/[\\\n"]/g, escaped)}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}`;
}

function escaped(character: string): string {
  return character === "\n" ? "\\n" : `\\${character}`;
}
