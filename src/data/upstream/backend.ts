// A backend as one data thread sees it: what all threads know of it, and the connections of this one.

import type { BackendSpec } from "../../config/snapshot.ts";
import type { BackendShare } from "../../core/shared/backend-state.ts";
import type { BackendPool } from "./pool.ts";

export class Backend {
  readonly spec: BackendSpec;
  /** Place among the backends of its upstream. */
  readonly index: number;
  readonly state: BackendShare;
  readonly pool: BackendPool;

  constructor(spec: BackendSpec, index: number, pool: BackendPool) {
    this.spec = spec;
    this.index = index;
    this.state = pool.state;
    this.pool = pool;
  }
}
