// `env` of a handler: the variables and secrets of the app, and the upstreams that it may ask. Runs in VMs.

import type { Served } from "./served.ts";
import { Upstream } from "./upstream.ts";

/** Makes the `env` of an exchange. */
export type EnvFor = (served: Served) => object;

/** An app without upstreams has one `env`; with some, each exchange has its own, for whose client they are asked. */
export function envFor(variables: Readonly<Record<string, string>>, upstreams: readonly string[]): EnvFor {
  if (upstreams.length === 0) {
    const env = { ...variables };
    return () => env;
  }
  return (served) => {
    const env: Record<string, unknown> = { ...variables };
    for (let i = 0; i < upstreams.length; i++) env[upstreams[i]!] = new Upstream(served, i, upstreams[i]!);
    return env;
  };
}
