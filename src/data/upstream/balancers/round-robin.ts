// One backend after the other, whatever their weights.

import type { Backend } from "../upstream.ts";
import type { Balancer } from "./balancer.ts";

export class RoundRobin implements Balancer {
  readonly #backends: readonly Backend[];
  #next: number;

  constructor(backends: readonly Backend[], offset: number) {
    this.#backends = backends;
    this.#next = backends.length === 0 ? 0 : offset % backends.length;
  }

  pick(): Backend | null {
    const backend = this.#backends[this.#next] ?? null;
    this.#next = this.#next + 1 < this.#backends.length ? this.#next + 1 : 0;
    return backend;
  }
}
