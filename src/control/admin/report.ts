// `POST /api/v1/report`: a backend, or whoever watches it, tells how busy it is. Control thread.

import { quote } from "../../config/problem.ts";
import { nearest } from "../../config/suggest.ts";
import type { LiveBackend, LiveUpstream } from "../upstreams.ts";
import { AdminError } from "./error.ts";
import { accept, report, utilisationOf } from "./input.ts";

/** Writes the utilisation where the balancers of all data threads find it. */
export function takeReport(upstreams: readonly LiveUpstream[], body: unknown, nowMs: number) {
  const { upstream, backend_id, performance } = accept(report, body);
  const { state } = findBackend(findUpstream(upstreams, upstream), backend_id);
  const utilisation = utilisationOf(performance);
  state.report(utilisation, nowMs);
  return { upstream, backend_id, utilisation };
}

/** Throws an `AdminError` where there is none of that name. */
export function findUpstream(upstreams: readonly LiveUpstream[], name: string): LiveUpstream {
  const found = upstreams.find(({ spec }) => spec.name === name);
  if (found !== undefined) return found;
  const names = upstreams.map(({ spec }) => spec.name);
  throw new AdminError(404, "unknown_upstream", `There is no upstream ${quote(name)}${hint(name, names)}`);
}

function findBackend({ spec, backends }: LiveUpstream, id: string): LiveBackend {
  const found = backends.find((backend) => backend.spec.id === id);
  if (found !== undefined) return found;
  const message = `There is no backend ${quote(id)} in the upstream ${quote(spec.name)}`;
  const ids = backends.map((backend) => backend.spec.id);
  throw new AdminError(404, "unknown_backend", `${message}${hint(id, ids)}`);
}

const MOST_NAMES = 10;

/** Which name was meant, or which ones there are. */
export function hint(name: string, known: readonly string[]): string {
  const meant = nearest(name, known);
  if (meant !== null) return `: did you mean ${quote(meant)}?`;
  if (known.length === 0) return ": there are none";
  const more = known.length > MOST_NAMES ? ` and ${known.length - MOST_NAMES} more` : "";
  return `: expected one of ${known.slice(0, MOST_NAMES).map(quote).join(", ")}${more}`;
}
