// Loads an app: imports its bundle and finds the handler in what it exports. Runs in VMs.

import { AsyncLocalStorage } from "node:async_hooks";
import { inspect } from "node:util";
import type { VmStart } from "../wire/vm.ts";
import { installConsole } from "./console.ts";
import { type EnvFor, envFor } from "./env.ts";
import type { Served } from "./served.ts";

export type Fetch = (request: Request, env: object, context: object) => unknown;

/** What serves the requests of a VM. */
export interface LoadedApp {
  readonly fetch: Fetch;
  readonly envFor: EnvFor;
  /** It may ask some upstream. */
  readonly asks: boolean;
  readonly webSocketQueueBytes: number;
  /** Knows for which exchange code runs; null where nothing asks for that. */
  readonly requests: AsyncLocalStorage<Served> | null;
}

export async function loadApp(start: VmStart): Promise<LoadedApp> {
  const { bundle, env, upstreams, webSocketQueueBytes } = start;
  // 100 ns for each request, 2 to 3 % of the smallest: only for apps that say something.
  const requests = start.logs ? new AsyncLocalStorage<Served>() : null;
  const devtools = start.inspect === null ? null : (await import("node:inspector")).console;
  installConsole(requests, devtools);
  const module = (await import(bundle)) as { readonly default?: unknown };
  const asks = upstreams.length > 0;
  return { fetch: handlerOf(module), envFor: envFor(env, upstreams), asks, webSocketQueueBytes, requests };
}

/** A function, or anything with a `fetch`. */
function handlerOf(module: { readonly default?: unknown }): Fetch {
  const exported = "default" in module ? module.default : module;
  if (typeof exported === "function" && !("fetch" in exported)) return exported as Fetch;
  const fetch = (exported as { readonly fetch?: unknown } | null | undefined)?.fetch;
  if (typeof fetch === "function") return fetch.bind(exported) as Fetch;
  const found =
    "default" in module
      ? `the default export is ${inspect(exported, { depth: 0 })}`
      : "it has no default export";
  throw new TypeError(`${found}: expected a function, or an object with the method "fetch"`);
}
