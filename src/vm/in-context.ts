// Lets a user of a stream hear of its frames as if in the handler that began it: what it logs has the id of the request.
// Runs in VMs.

import { AsyncLocalStorage } from "node:async_hooks";
import type { LinkUser } from "./gateway-link.ts";

export class InContext implements LinkUser {
  readonly #user: LinkUser;
  readonly #run = AsyncLocalStorage.snapshot();

  constructor(user: LinkUser) {
    this.#user = user;
  }

  onFrame(type: number, bytes: Buffer, start: number, end: number): void {
    this.#run(hearOfFrame, this.#user, type, bytes, start, end);
  }

  onLinkEnded(): void {
    this.#run(hearOfEnd, this.#user);
  }
}

function hearOfFrame(user: LinkUser, type: number, bytes: Buffer, start: number, end: number): void {
  user.onFrame(type, bytes, start, end);
}

function hearOfEnd(user: LinkUser): void {
  user.onLinkEnded();
}
