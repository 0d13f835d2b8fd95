// A route as a data thread runs it: its specification and the action at its end.

import type { RouteSpec } from "../../config/snapshot.ts";
import type { Exchange } from "../../core/exchange.ts";

export interface Route {
  readonly spec: RouteSpec;
  readonly start: StartAction;
}

/** Begins to serve an exchange. It may answer at once, or set `exchange.action` and answer later. */
export type StartAction = (exchange: Exchange) => void;
