// `POST /api/v1/cache/purge`: makes the caches of all data threads forget responses. Control thread.

import { quote } from "../../config/problem.ts";
import { AdminError } from "./error.ts";
import { accept, purge } from "./input.ts";
import { hint } from "./report.ts";
import type { GatewayView } from "./view.ts";

/** Resolves when every data thread has forgotten them. */
export async function takePurge(view: GatewayView, body: unknown) {
  const { route = null, host = null, path = null, prefix = null } = accept(purge, body);
  if (route !== null && !view.routes.includes(route))
    throw new AdminError(
      404,
      "unknown_route",
      `There is no route ${quote(route)}${hint(route, view.routes)}`,
    );
  return { removed: await view.purgeCaches({ route, host, path, prefix }) };
}
