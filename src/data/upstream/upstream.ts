// A named set of backends as one data thread sees it.

import type { BackendSpec } from "../../config/snapshot.ts";
import type { BackendPool } from "./pool.ts";

export interface Backend {
  readonly spec: BackendSpec;
  readonly pool: BackendPool;
}

export interface Upstream {
  readonly name: string;
  readonly backends: readonly Backend[];
}
