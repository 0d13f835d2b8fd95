// What an exchange has in place of an action while a policy waits for something: it only hears that the exchange is over.
// Runs in data threads.

import type { Action, Exchange } from "../../core/exchange.ts";
import type { PolicyRun } from "../pipeline.ts";

export abstract class Waiting implements Action {
  protected readonly exchange: Exchange;
  protected readonly run: PolicyRun;

  constructor(exchange: Exchange, run: PolicyRun) {
    this.exchange = exchange;
    this.run = run;
    exchange.action = this;
  }

  /** The exchange is over: nobody wants to know any more. */
  abstract onAborted(): void;

  /** The body does not flow before an action asks for it. */
  onRequestBody(): void {}
  onRequestEnd(): void {}
  onClientDrain(): void {}
}
