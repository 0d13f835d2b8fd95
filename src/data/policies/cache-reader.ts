// An exchange that has a part in a fetch, until it is answered. Data threads.

import type { Action, Exchange } from "../../core/exchange.ts";
import type { PolicyRun } from "../pipeline.ts";
import type { RequestDirectives } from "./cache-directives.ts";

/** What an exchange asks of the cache. */
export interface Question {
  readonly exchange: Exchange;
  readonly run: PolicyRun;
  readonly asked: RequestDirectives | null;
  /** Fetches that it has waited for in vain. */
  readonly rounds: number;
}

/** The fetch, to those who have a part in it. */
export interface Source {
  /** The client took what it was sent. */
  drained(): void;
  /** The exchange is over. */
  left(reader: Reader): void;
}

export class Reader implements Action {
  readonly question: Question;
  readonly #source: Source;

  constructor(source: Source, question: Question) {
    this.#source = source;
    this.question = question;
    question.exchange.action = this;
  }

  get exchange(): Exchange {
    return this.question.exchange;
  }

  onClientDrain(): void {
    this.#source.drained();
  }

  onAborted(): void {
    this.#source.left(this);
  }

  onRequestBody(): void {}
  onRequestEnd(): void {}
}
