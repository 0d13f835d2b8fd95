// The routes of one host, found by path: exact paths first, then prefixes, longest first. Data threads.

import type { RouteSpec } from "../../config/snapshot.ts";
import type { HeaderList } from "../../core/headers.ts";

/** A route in one bucket: those with the same host and path, best first. */
interface Candidate<T> {
  readonly route: T;
  readonly methods: readonly string[] | null;
  readonly headers: RouteSpec["headers"];
}

const SLASH = 47;

export class PathTable<T extends { readonly spec: RouteSpec }> {
  readonly #exact = new Map<string, Candidate<T>[]>();
  readonly #prefixes = new Map<string, Candidate<T>[]>();
  /** Lengths of the prefixes, longest first: a request looks up only what can be one of them. */
  readonly #lengths: number[] = [];

  /** To be called in order of precedence: of two routes with one path, the first added is asked first. */
  add(route: T): void {
    const { path, pathKind, methods, headers } = route.spec;
    const table = pathKind === "exact" ? this.#exact : this.#prefixes;
    const candidate = { route, methods: withHead(methods), headers };
    const bucket = table.get(path);
    if (bucket !== undefined) {
      bucket.push(candidate);
      return;
    }
    table.set(path, [candidate]);
    if (pathKind === "prefix" && !this.#lengths.includes(path.length)) {
      this.#lengths.push(path.length);
      this.#lengths.sort((a, b) => b - a);
    }
  }

  match(path: string, method: string, headers: HeaderList): T | null {
    // Most tables have few kinds of paths: no text is hashed for one that there is not.
    const exact = this.#exact.size === 0 ? undefined : this.#exact.get(path);
    if (exact !== undefined) {
      const route = firstMatch(exact, method, headers);
      if (route !== null) return route;
    }
    for (let i = 0; i < this.#lengths.length; i++) {
      const length = this.#lengths[i]!;
      if (!isBorder(path, length)) continue;
      const bucket = this.#prefixes.get(length === 1 ? "/" : path.slice(0, length));
      if (bucket === undefined) continue;
      const route = firstMatch(bucket, method, headers);
      if (route !== null) return route;
    }
    return null;
  }
}

/** Whether a prefix of this length would end with a segment: at the end of the path, after or before a slash. */
function isBorder(path: string, length: number): boolean {
  if (length >= path.length) return length === path.length;
  return path.charCodeAt(length) === SLASH || path.charCodeAt(length - 1) === SLASH;
}

/** A resource that answers GET answers HEAD (RFC 9110 section 9.3.2). */
function withHead(methods: readonly string[] | null): readonly string[] | null {
  return methods?.includes("GET") ? [...methods, "HEAD"] : methods;
}

function firstMatch<T>(bucket: readonly Candidate<T>[], method: string, headers: HeaderList): T | null {
  for (let i = 0; i < bucket.length; i++) {
    const candidate = bucket[i]!;
    if (candidate.methods !== null && !candidate.methods.includes(method)) continue;
    if (hasAll(headers, candidate.headers)) return candidate.route;
  }
  return null;
}

function hasAll(headers: HeaderList, wanted: RouteSpec["headers"]): boolean {
  for (let i = 0; i < wanted.length; i++) {
    if (!headers.has(wanted[i]!.name, wanted[i]!.value)) return false;
  }
  return true;
}
