// A name whose answer is followed: asked for again when its TTL is over, kept while nobody knows better. Control thread.
//
//   found    the items are those of the answer
//   missing  the last items stay for `holdMs`, then there are none: a slip in DNS must not take a service away
//   failed   the last items stay, for as long as it takes

import type { Log } from "../log.ts";
import type { Answer } from "./answer.ts";

export interface Pace {
  readonly minTtlMs: number;
  readonly maxTtlMs: number;
  /** Since the first answer that there is nothing. */
  readonly holdMs: number;
}

export interface FollowedNameSetting<Item> {
  readonly name: string;
  readonly ask: () => Answer<Item> | Promise<Answer<Item>>;
  readonly pace: Pace;
  readonly log: Log;
  /** The first answer is there, or another one than the last. */
  readonly onChange: () => void;
}

/** A TTL of 0 in DNS and in the configuration is no reason to ask without a pause. */
const LEAST_PAUSE_MS = 100;
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 30_000;
/** Longer ones fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class FollowedName<Item> {
  /** As a set: they have no order. */
  items: readonly Item[] = [];
  /** An answer is there, whatever it is. */
  settled = false;
  readonly #setting: FollowedNameSetting<Item>;
  /** Clock of `performance.now()`; null while the name is there or nobody knows. */
  #missingSince: number | null = null;
  /** Answers in a row that brought nothing. The first one is logged. */
  #failures = 0;
  /** An answer to an earlier question than the last one is not taken. */
  #turn = 0;
  #timer: NodeJS.Timeout | null = null;

  /** Goes on with what `previous` knew, until the first answer. */
  constructor(setting: FollowedNameSetting<Item>, previous: FollowedName<Item> | undefined) {
    this.#setting = setting;
    if (previous === undefined) return;
    this.items = previous.items;
    this.#missingSince = previous.#missingSince;
    this.#failures = previous.#failures;
  }

  /** Asks now, and from then on whenever it is time. */
  async ask(): Promise<void> {
    const turn = ++this.#turn;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const answer = await this.#setting.ask();
    if (turn !== this.#turn) return;
    const before = keyOf(this.items);
    const pauseMs = this.#take(answer);
    const timerMs = Math.min(Math.max(pauseMs, LEAST_PAUSE_MS), LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => void this.ask(), timerMs).unref();
    if (this.settled && keyOf(this.items) === before) return;
    this.settled = true;
    this.#setting.onChange();
  }

  stop(): void {
    this.#turn++;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** Returns the pause before the next question. */
  #take(answer: Answer<Item>): number {
    const { name, log, pace } = this.#setting;
    if (answer.kind === "found") {
      const { keeps } = answer;
      const kept = keeps === null ? [] : this.items.filter(keeps);
      this.items = [...new Set([...answer.items, ...kept])];
      if (this.#failures > 0) log.info(`${JSON.stringify(name)} is resolved again`);
      this.#failures = 0;
      this.#missingSince = null;
      return Math.min(Math.max(answer.ttlMs, pace.minTtlMs), pace.maxTtlMs);
    }
    this.#failures++;
    const retryMs = Math.min(FIRST_RETRY_MS * 2 ** (this.#failures - 1), LAST_RETRY_MS, pace.maxTtlMs);
    const holdMs = answer.kind === "missing" ? this.#holdMs() : Number.POSITIVE_INFINITY;
    const hadItems = this.items.length > 0;
    if (holdMs === 0) this.items = [];
    if (this.#failures === 1 || (hadItems && holdMs === 0)) {
      log.warn(`cannot resolve ${JSON.stringify(name)}: ${answer.reason}; ${this.#consequence(holdMs)}`);
    }
    return holdMs > 0 ? Math.min(retryMs, holdMs) : retryMs;
  }

  /** How long the last items still stay although there are none. */
  #holdMs(): number {
    const now = performance.now();
    this.#missingSince ??= now;
    if (this.items.length === 0) return 0;
    return Math.max(0, this.#missingSince + this.#setting.pace.holdMs - now);
  }

  #consequence(holdMs: number): string {
    if (this.items.length === 0) return "no request goes there until it is resolved";
    const last = "its last answer is used";
    return Number.isFinite(holdMs) ? `${last} for another ${Math.ceil(holdMs / 1000)} s` : last;
  }
}

function keyOf(items: readonly unknown[]): string {
  return items
    .map((item) => JSON.stringify(item))
    .sort()
    .join();
}
