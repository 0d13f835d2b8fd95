// A route as a data thread runs it: its specification, its policies and the action at its end.

import type { RouteSpec } from "../../config/snapshot.ts";
import type { Exchange } from "../../core/exchange.ts";
import type { Policy } from "../policies/policy.ts";

export interface Route {
  readonly spec: RouteSpec;
  /** In the order in which an exchange passes them; null for none. */
  readonly policies: readonly Policy[] | null;
  readonly start: StartAction;
}

/** Begins to serve an exchange. It may answer at once, or set `exchange.action` and answer later. */
export type StartAction = (exchange: Exchange) => void;
