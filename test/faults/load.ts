// A steady load: so many requests a second whatever becomes of them, each noted. Runs in the test process.

import { Agent, request } from "node:http";
import type { TestContext } from "node:test";

export interface Outcome {
  /** From the start of the load, in ms. */
  readonly at: number;
  readonly tookMs: number;
  /** 0 where there was no response. */
  readonly status: number;
  readonly backend: string;
  readonly error: string;
}

const TICK_MS = 10;

export class SteadyLoad {
  readonly outcomes: Outcome[] = [];
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 200 });
  readonly #port: number;
  readonly #method: string;
  readonly #path: string;
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout;
  readonly #perSecond: number;
  #sent = 0;
  #open = 0;
  #stopped = false;
  #lastTick = performance.now();
  /** Longest time in which this process itself stood still. */
  stalledMs = 0;
  #whenDone: (() => void) | null = null;

  constructor(t: TestContext, port: number, perSecond: number, { path = "/", method = "GET" } = {}) {
    this.#port = port;
    this.#path = path;
    this.#method = method;
    this.#perSecond = perSecond;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    t.after(() => {
      clearInterval(this.#timer);
      this.#stopped = true;
      this.#agent.destroy();
    });
  }

  get sent(): number {
    return this.#sent;
  }

  /** Resolves when so many more have their outcome. */
  async more(count: number): Promise<void> {
    const wanted = this.outcomes.length + count;
    await this.#until(() => this.outcomes.length >= wanted);
  }

  /** Resolves when `fits` holds for one of the outcomes from now on. */
  async seen(fits: (outcome: Outcome) => boolean): Promise<void> {
    const from = this.outcomes.length;
    await this.#until(() => this.outcomes.slice(from).some(fits));
  }

  async #until(done: () => boolean): Promise<void> {
    while (!done()) {
      if (this.#stopped) throw new Error("the load ended before it showed what was waited for");
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
  }

  /** Sends no more; resolves when all have their outcome. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await new Promise<void>((resolve) => {
      this.#whenDone = resolve;
      this.#check();
    });
    this.#agent.destroy();
  }

  get failures(): readonly Outcome[] {
    return this.outcomes.filter(({ status }) => status !== 200);
  }

  /** Longest time between two good answers, less what this process stood still itself. */
  get longestGapMs(): number {
    const ends = this.outcomes
      .filter(({ status }) => status === 200)
      .map(({ at, tookMs }) => at + tookMs)
      .sort((a, b) => a - b);
    let longest = 0;
    for (let i = 1; i < ends.length; i++) longest = Math.max(longest, ends[i]! - ends[i - 1]!);
    return longest - this.stalledMs;
  }

  get perSecond(): number {
    return this.outcomes.length / ((performance.now() - this.#startedAt) / 1000);
  }

  #tick(): void {
    const now = performance.now();
    this.stalledMs = Math.max(this.stalledMs, now - this.#lastTick - TICK_MS);
    this.#lastTick = now;
    const due = Math.floor(((now - this.#startedAt) / 1000) * this.#perSecond);
    while (this.#sent < due) this.#send();
  }

  #send(): void {
    this.#sent++;
    this.#open++;
    const sentAt = performance.now();
    let done = false;
    const end = (status: number, backend: string, error: string) => {
      if (done) return;
      done = true;
      const now = performance.now();
      this.outcomes.push({ at: sentAt - this.#startedAt, tookMs: now - sentAt, status, backend, error });
      this.#open--;
      this.#check();
    };
    const options = {
      host: "127.0.0.1",
      port: this.#port,
      path: this.#path,
      method: this.#method,
      agent: this.#agent,
    };
    const sent = request(options, (response) => {
      let body = "";
      response.setEncoding("latin1");
      response.on("data", (text: string) => {
        body += text;
      });
      response.on("end", () =>
        end(response.statusCode ?? 0, String(response.headers["x-backend"] ?? ""), body),
      );
      response.on("error", (error) => end(0, "", error.message));
    });
    sent.on("error", (error) => end(0, "", error.message));
    sent.end();
  }

  #check(): void {
    if (this.#open === 0) this.#whenDone?.();
  }
}
