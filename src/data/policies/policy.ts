// What stands between the router and the action: it looks at or changes an exchange on its way. Runs in data threads.

import type { Exchange } from "../../core/exchange.ts";
import type { PolicyRun } from "../pipeline.ts";

/** How an exchange left a policy. */
export const Step = {
  /** On to the next policy, or to the action. */
  goOn: 0,
  /** It was answered, or failed: the way ends here. */
  answered: 1,
  /** The policy calls `run.goOn()` later, or answers. Until then it is the exchange's action, to hear of its end. */
  waits: 2,
} as const;
export type Step = (typeof Step)[keyof typeof Step];

/**
 * One policy of one route, made once per snapshot and data thread: it holds nothing of a single exchange. What it has to
 * do with the response it does in a layer before the client (client-layer.ts), which it makes where it is needed.
 */
export interface Policy {
  enter(exchange: Exchange, run: PolicyRun): Step;
}
