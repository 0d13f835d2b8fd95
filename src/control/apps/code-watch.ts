// Sees that the code of an app has changed, while somebody works on it: their own files at once, those of packages a little
// later. Control thread.

import type { ReadFile } from "../../config/pem-files.ts";
import { FileWatch } from "../file-watch.ts";

/** Somebody waits for it. */
const LOOK_MS = 100;
const PACKAGES = "/node_modules/";

export class CodeWatch {
  readonly #own: FileWatch;
  readonly #packages: FileWatch;

  /** `onChange` is called when nothing more changes. */
  constructor(onChange: () => void) {
    this.#own = new FileWatch(onChange, LOOK_MS);
    this.#packages = new FileWatch(onChange);
  }

  /** The files from now on, as they were when they were read. */
  watch(files: readonly ReadFile[]): void {
    this.#own.watch(files.filter(({ path }) => !path.includes(PACKAGES)));
    this.#packages.watch(files.filter(({ path }) => path.includes(PACKAGES)));
  }

  stop(): void {
    this.#own.stop();
    this.#packages.stop();
  }
}
