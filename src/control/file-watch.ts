// Sees that a file has changed which the configuration names, or an app is made of: certificates, keys, users, code. A look
// every second, or oftener: unlike `fs.watch` it sees links that point elsewhere, and file systems of other machines.
// Control thread.

import { type ReadFile, stampOf } from "../config/pem-files.ts";

const LOOK_MS = 1000;

export class FileWatch {
  readonly #onChange: () => void;
  #stamps = new Map<string, string>();
  /** There was a change at the last look: certificate and key are written one after the other. */
  #isUnsettled = false;
  readonly #timer: NodeJS.Timeout;

  /** `onChange` is called when nothing more has changed for the time of a look. */
  constructor(onChange: () => void, lookMs = LOOK_MS) {
    this.#onChange = onChange;
    this.#timer = setInterval(() => this.#look(), lookMs).unref();
  }

  /** The files from now on, as they were when they were read. */
  watch(files: readonly ReadFile[]): void {
    this.#stamps = new Map(files.map(({ path, stamp }) => [path, stamp]));
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    let isChanged = false;
    for (const [path, before] of this.#stamps) {
      const stamp = stampOf(path);
      if (stamp === before) continue;
      this.#stamps.set(path, stamp);
      isChanged = true;
    }
    const isSettled = this.#isUnsettled && !isChanged;
    this.#isUnsettled = isChanged;
    if (isSettled) this.#onChange();
  }
}
