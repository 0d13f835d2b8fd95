// One of the VMs that an app is to have: keeps one serving, whatever becomes of the process. Control thread.

import { Restarts } from "./restarts.ts";
import type { VmProcess } from "./vm-process.ts";

export interface InstanceSetting {
  /** A VM that is ready to serve; rejects where none can be started. */
  take(): Promise<VmProcess>;
  /** Another VM serves, or none any more. */
  onChange(): void;
  /** `pauseMs`: it is tried again after so long. */
  onFailed(error: unknown, pauseMs: number): void;
}

/** After so many ends in a row it is no accident, and the pause before the next start is too long to wait for. */
const LOOPS_AFTER = 5;

export class Instance {
  /** The one that serves; null while there is none. */
  vm: VmProcess | null = null;
  /** Why there was none last. */
  reason = "";
  readonly #setting: InstanceSetting;
  readonly #restarts = new Restarts();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(setting: InstanceSetting) {
    this.#setting = setting;
  }

  /** Its VMs end one after the other, and none serves now. */
  get loops(): boolean {
    return this.vm === null && this.#restarts.inARow >= LOOPS_AFTER;
  }

  /** The first one. Rejects where it cannot be started. */
  async start(): Promise<void> {
    this.#serve(await this.#setting.take());
  }

  /** Its VM ended by itself, or had to be ended. */
  lost(livedMs: number): void {
    this.vm = null;
    this.#replaceAfter(this.#restarts.ended(livedMs));
    this.#setting.onChange();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #replaceAfter(pauseMs: number): void {
    if (this.#stopped) return;
    if (pauseMs === 0) void this.#replace();
    else this.#timer = setTimeout(() => void this.#replace(), pauseMs);
  }

  async #replace(): Promise<void> {
    try {
      this.#serve(await this.#setting.take());
    } catch (error) {
      if (this.#stopped) return;
      this.reason = error instanceof Error ? error.message : String(error);
      const pauseMs = this.#restarts.ended(0);
      this.#setting.onFailed(error, pauseMs);
      this.#replaceAfter(pauseMs);
    }
  }

  #serve(vm: VmProcess): void {
    this.vm = vm;
    this.#setting.onChange();
  }
}
