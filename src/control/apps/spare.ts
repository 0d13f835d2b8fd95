// A VM that is ready and serves nobody yet: it takes the place of one that ends. Control thread.

import { Restarts } from "./restarts.ts";
import type { VmProcess } from "./vm-process.ts";

export interface SpareSetting {
  start(): Promise<VmProcess>;
  onFailed(error: unknown): void;
}

export class Spare {
  readonly #setting: SpareSetting;
  readonly #restarts = new Restarts();
  /** The one that there is, or will be. */
  #coming: Promise<VmProcess> | null = null;
  #vm: VmProcess | null = null;
  /** From `performance.now()`: no other is started before. */
  #notBefore = 0;

  constructor(setting: SpareSetting) {
    this.#setting = setting;
  }

  /** Sees to it that there is one, or none. */
  keep(isWanted: boolean): void {
    if (!isWanted) this.drop("no spare is needed any more");
    else if (this.#coming === null && performance.now() >= this.#notBefore) this.#begin();
  }

  /** The one that there is or will be, for who puts it to work; null where there is none. */
  take(): Promise<VmProcess> | null {
    const coming = this.#coming;
    this.#coming = null;
    this.#vm = null;
    return coming;
  }

  drop(why: string): void {
    void this.take()?.then(
      (vm) => vm.kill({ outcome: "replaced", why }),
      () => undefined,
    );
  }

  /** A VM ended: perhaps it was this one. */
  ended(vm: VmProcess, livedMs: number): void {
    if (this.#vm !== vm) return;
    this.take();
    this.#pause(livedMs);
  }

  #begin(): void {
    const coming = this.#setting.start();
    this.#coming = coming;
    coming.then(
      (vm) => {
        if (this.#coming === coming) this.#vm = vm;
      },
      (error) => {
        // Who took it hears of it too.
        if (this.#coming !== coming) return;
        this.take();
        this.#pause(0);
        this.#setting.onFailed(error);
      },
    );
  }

  #pause(livedMs: number): void {
    this.#notBefore = performance.now() + this.#restarts.ended(livedMs);
  }
}
