// Tells what a VM has never read: asks for a sign of life on the link while exchanges wait for an answer. A VM answers a ping
// when it takes it out of its input, so that what was sent behind an unanswered one has not been looked at. Data threads.
//
//   exchange 1, ping, exchange 3     the VM ends without a pong: 1 may be what ended it, 3 is not

import { Timed } from "../../core/deadlines.ts";
import { FrameType } from "../../wire/frames.ts";
import type { ThreadContext } from "../thread-context.ts";
import type { VmLink } from "./vm-link.ts";

/** Two ticks of the wheel at most, and one at least. */
const PAUSE_MS = 0;

export class LinkWatch extends Timed {
  /** It looks again by itself. */
  active = false;
  readonly #link: VmLink;
  readonly #thread: ThreadContext;
  #number = 0;
  #answered = 0;
  /** The last stream that was opened before the ping. */
  #before = 0;

  constructor(link: VmLink, thread: ThreadContext) {
    super();
    this.#link = link;
    this.#thread = thread;
  }

  /** The link is made: until the VM has it, it reads nothing. */
  begin(): void {
    this.#ping();
  }

  /** An exchange waits for an answer from now on. */
  start(): void {
    this.active = true;
    this.#thread.deadlines.set(this, PAUSE_MS);
  }

  stop(): void {
    this.active = false;
    this.#thread.deadlines.remove(this);
  }

  /** Whether the VM has read nothing of a stream. */
  isUnread(stream: number): boolean {
    return this.#number !== this.#answered && stream > this.#before;
  }

  /** Returns what is wrong, or null. */
  onPong(number: number): string | null {
    if (number !== this.#number || number === this.#answered)
      return `a pong with ${number}, which was not asked for`;
    this.#answered = number;
    return null;
  }

  override onDeadline(): void {
    this.active = false;
    if (!this.#link.waits) return;
    if (this.#number === this.#answered) this.#ping();
    this.start();
  }

  #ping(): void {
    this.#number = (this.#number + 1) >>> 0;
    this.#before = this.#link.lastStream;
    this.#link.writer.number(FrameType.ping, 0, this.#number);
  }
}
