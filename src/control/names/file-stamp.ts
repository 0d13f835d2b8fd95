// Tells whether a file has changed since it was looked at last. Control thread; one stat every few seconds.

import { stampOf } from "../../config/pem-files.ts";

export class FileStamp {
  readonly #path: string;
  #last: string;

  constructor(path: string) {
    this.#path = path;
    this.#last = stampOf(path);
  }

  changed(): boolean {
    const stamp = stampOf(this.#path);
    if (stamp === this.#last) return false;
    this.#last = stamp;
    return true;
  }
}
