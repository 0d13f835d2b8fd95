// Fits a configuration to this machine: real ports, no more connections than there are files, secrets that it leaves to
// the gateway. Control thread.

import type { GatewaySpec } from "../config/compile.ts";
import type { ListenerSpec, RouteSpec, ServerSpec, SnapshotPlan } from "../config/snapshot.ts";
import { claimAddress } from "./addresses.ts";
import { connectionsWithin, openFileLimit } from "./file-limit.ts";
import type { Log } from "./log.ts";
import type { StateFolder } from "./state-folder.ts";

/** `open` are the listeners of the snapshot before. Rejects with an error in words. */
export async function settleServer(
  plan: SnapshotPlan,
  spec: GatewaySpec,
  open: readonly ListenerSpec[],
  { workers, log }: { readonly workers: number; readonly log: Log },
): Promise<ServerSpec> {
  const listeners: ListenerSpec[] = [];
  for (const [i, wanted] of plan.server.listeners.entries()) {
    // Port 0 stays the port that the listener in its place got before.
    const same = open.find(
      (old, at) => old.host === wanted.host && (old.port === wanted.port || (wanted.port === 0 && at === i)),
    );
    // A port that is ours under another host cannot be claimed; who else is in the way makes opening it fail.
    const ours = wanted.port !== 0 && open.some(({ port }) => port === wanted.port);
    if (same !== undefined) listeners.push({ ...wanted, port: same.port });
    else listeners.push(ours || (spec.reusePort && wanted.port !== 0) ? wanted : await claimAddress(wanted));
  }
  const fileLimit = openFileLimit();
  const allowed = connectionsWithin(fileLimit, workers);
  const requested = spec.requestedMaxConnections ?? allowed.clients;
  if (requested > allowed.clients) {
    log.warn(
      `server.max_conn ${requested}: lowered to ${allowed.clients}, because this process may open ${fileLimit} files (two per proxied connection)`,
    );
  }
  return {
    ...plan.server,
    listeners,
    maxConnections: Math.min(requested, allowed.clients),
    unusedBackendConnections: allowed.idlePerThread,
  };
}

/** Routes whose sticky cookie has no secret of its own get the gateway's. */
export function settleRoutes(routes: readonly RouteSpec[], folder: StateFolder): readonly RouteSpec[] {
  return routes.map((route) => {
    const { action } = route;
    if (action.kind !== "proxy" || action.sticky.secret !== null) return route;
    if (!Object.values(action.balancers).includes("sticky")) return route;
    return {
      ...route,
      action: { ...action, sticky: { ...action.sticky, secret: folder.secret("sticky-key") } },
    };
  });
}
