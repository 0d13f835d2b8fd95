// What one data thread keeps of all routes, from one snapshot to the next. Data threads.

import type { CacheSpec, RouteSpec } from "../../config/snapshot.ts";
import type { Exchange } from "../../core/exchange.ts";
import type { HeaderList } from "../../core/headers.ts";
import { canonicalPath } from "../../core/path.ts";
import type { CachePurge } from "../../wire/control.ts";
import type { ThreadContext } from "../thread-context.ts";
import { CacheRoute } from "./cache.ts";
import type { ChangedResource } from "./cache-changes.ts";
import { primaryKey } from "./cache-key.ts";
import { type ResourceName, Store, Zone } from "./cache-store.ts";

/** The caches of a snapshot. What is kept of a route lives on in the next one where the route did not change. */
export class Caches {
  readonly #thread: ThreadContext;
  /** The snapshot before, until this one serves. */
  #previous: Caches | null;
  /** By what tells them apart. */
  readonly stores = new Map<string, { readonly store: Store; readonly maxBytes: number }>();
  /** By name of the route. */
  readonly routes = new Map<string, { readonly identity: string; readonly cache: CacheRoute }>();

  constructor(thread: ThreadContext, previous: Caches | null) {
    this.#thread = thread;
    this.#previous = previous;
  }

  /** To be made once for each route. */
  of(route: RouteSpec, spec: CacheSpec): CacheRoute {
    const identity = identityOf(route, spec);
    const before = this.#previous?.routes.get(route.name);
    const store = this.#store(spec);
    const cache =
      before?.identity === identity
        ? before.cache
        : new CacheRoute(spec, new Zone(store, route.name), this.#thread);
    this.routes.set(route.name, { identity, cache });
    return cache;
  }

  /** Each thread has its own part. */
  #store(spec: CacheSpec): Store {
    const { threads, metrics } = this.#thread;
    const maxBytes = Math.floor(spec.maxBytes / threads);
    const made = this.stores.get(spec.store);
    if (made !== undefined) return made.store;
    const store = this.#previous?.stores.get(spec.store)?.store ?? new Store(maxBytes, metrics);
    this.stores.set(spec.store, { store, maxBytes });
    return store;
  }

  /** The snapshot begins to serve. */
  activated(): void {
    this.#previous = null;
    for (const { store, maxBytes } of this.stores.values()) store.resize(maxBytes);
  }

  /** Lets go of what the next snapshot does not have. */
  retire(next: Caches | null): void {
    for (const [name, { cache }] of this.routes) if (next?.routes.get(name)?.cache !== cache) cache.retire();
  }

  /** A request that may change things had success: its resource, and those that the response names, are not kept. */
  changed({ request, scheme }: Exchange, headers: HeaderList): void {
    const { authority, host, path, query } = request;
    const resource = { scheme, authority, host, path, query };
    this.#tell(resource);
    for (const name of ["location", "content-location"]) {
      const target = headers.findOnly(name);
      const named = target === null ? null : resourceAt(target, resource);
      if (named !== null) this.#tell(named);
    }
  }

  #tell(resource: ChangedResource): void {
    this.forget(resource);
    this.#thread.cacheChanges.tell(resource);
  }

  /** On this thread. */
  forget(resource: ChangedResource): void {
    const { scheme, ...request } = resource;
    for (const { cache } of this.routes.values())
      cache.forget(primaryKey({ scheme, request }, cache.spec.key));
  }

  /** Lets go of what fits, on this thread; returns how many responses that were. */
  purge({ route, host, path, prefix }: CachePurge): number {
    const fits = (name: ResourceName) =>
      (host === null || name.host === host) &&
      (path === null || name.path === path) &&
      (prefix === null || name.path.startsWith(prefix));
    let dropped = 0;
    for (const [name, { cache }] of this.routes)
      if (route === null || route === name) dropped += cache.purge(fits);
    return dropped;
  }
}

/** Another `size` makes no other cache of it. */
function identityOf(route: RouteSpec, spec: CacheSpec): string {
  return JSON.stringify({ ...route, policies: { ...route.policies, cache: { ...spec, maxBytes: 0 } } });
}

/** What a field of a response names, if that is of the same origin (RFC 9111 section 4.4). */
function resourceAt(
  target: string,
  { scheme, authority, host, path, query }: ChangedResource,
): ChangedResource | null {
  const base = `${scheme}://${authority}${path}${query}`;
  const url = URL.parse(target, base);
  const own = URL.parse(base);
  if (url === null || own === null || url.origin !== own.origin) return null;
  const canonical = canonicalPath(url.pathname);
  return typeof canonical === "string"
    ? { scheme, authority, host, path: canonical, query: url.search }
    : null;
}
