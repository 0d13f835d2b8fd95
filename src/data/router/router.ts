// Finds the route of a request: by host, then path, then methods and headers. Data threads; built once per snapshot.
//
// Precedence: an exact host, wildcard hosts from the longest, every host; within it an exact path, prefixes from the
// longest; within it more matchers (methods count one, each header one), higher priority, the order of the file.
// Where methods and headers rule out all routes of one path, the next best path and then the next best host are tried.

import type { RouteSpec } from "../../config/snapshot.ts";
import type { HeaderList } from "../../core/headers.ts";
import { PathTable } from "./path-table.ts";

export function createRouter<T extends Routed>(routes: readonly T[]): Router<T> {
  const router = new Router<T>();
  for (const route of routes.toSorted(byPrecedence)) router.add(route);
  return router;
}

interface Routed {
  readonly spec: RouteSpec;
}

/** Orders routes with the same host and path; equal ones stay in the order of the file. */
function byPrecedence(a: Routed, b: Routed): number {
  return matcherCount(b.spec) - matcherCount(a.spec) || b.spec.priority - a.spec.priority;
}

function matcherCount(spec: RouteSpec): number {
  return (spec.methods === null ? 0 : 1) + spec.headers.length;
}

export class Router<T extends Routed> {
  readonly #exactHosts = new Map<string, PathTable<T>>();
  /** By what follows the star: `.example.com`. */
  readonly #wildcardHosts = new Map<string, PathTable<T>>();
  readonly #anyHost = new PathTable<T>();
  #hasHosts = false;

  /** To be called in order of precedence, as `PathTable.add`. */
  add(route: T): void {
    const { hosts } = route.spec;
    if (hosts.length === 0) this.#anyHost.add(route);
    for (const host of hosts) {
      if (host.startsWith("*.")) tableOf(this.#wildcardHosts, host.slice(1)).add(route);
      else tableOf(this.#exactHosts, host).add(route);
      this.#hasHosts = true;
    }
  }

  /**
   * The route of a request, or null. `host` is lower case without port, empty when the request names none; `path` is
   * canonical, and so are the paths of the routes.
   */
  match(host: string, path: string, method: string, headers: HeaderList): T | null {
    if (this.#hasHosts) {
      const route = this.#matchHost(host, path, method, headers);
      if (route !== null) return route;
    }
    return this.#anyHost.match(path, method, headers);
  }

  #matchHost(host: string, path: string, method: string, headers: HeaderList): T | null {
    const route = this.#exactHosts.get(host)?.match(path, method, headers) ?? null;
    if (route !== null || this.#wildcardHosts.size === 0) return route;
    // The star stands for at least one label: the domain itself is not tried.
    for (let dot = host.indexOf("."); dot > 0; dot = host.indexOf(".", dot + 1)) {
      const route = this.#wildcardHosts.get(host.slice(dot))?.match(path, method, headers) ?? null;
      if (route !== null) return route;
    }
    return null;
  }
}

function tableOf<T extends Routed>(tables: Map<string, PathTable<T>>, host: string): PathTable<T> {
  let table = tables.get(host);
  if (table === undefined) {
    table = new PathTable();
    tables.set(host, table);
  }
  return table;
}
