// Loads an app: imports its bundle and finds the handler in what it exports. Runs in VMs.

import { inspect } from "node:util";
import type { VmStart } from "../wire/vm.ts";
import { type EnvFor, envFor } from "./env.ts";

export type Fetch = (request: Request, env: object, context: object) => unknown;

/** What serves the requests of a VM. */
export interface LoadedApp {
  readonly fetch: Fetch;
  readonly envFor: EnvFor;
  /** It may ask some upstream. */
  readonly asks: boolean;
  readonly webSocketQueueBytes: number;
}

export async function loadApp({ bundle, env, upstreams, webSocketQueueBytes }: VmStart): Promise<LoadedApp> {
  const module = (await import(bundle)) as { readonly default?: unknown };
  const asks = upstreams.length > 0;
  return { fetch: handlerOf(module), envFor: envFor(env, upstreams), asks, webSocketQueueBytes };
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
