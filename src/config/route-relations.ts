// How the settings of a route must fit together, and to the upstreams of the file. Runs anywhere.

import { unknownApp } from "./app-relations.ts";
import { atKey, atValue, type Findings } from "./finding.ts";
import { hasMisspelt, isMapping, textOf } from "./settings.ts";
import { staticProblems } from "./static-relations.ts";
import type { SourceNode } from "./tree.ts";
import { unknownUpstream } from "./upstream-names.ts";

const ACTIONS = ["upstream", "split", "app", "respond", "redirect", "static"];
const PROXYING = ["upstream", "split"];
/** Actions, beside those, that look at the path. */
const PATHS = ["app", "static"];
/** Settings that mean nothing unless a request is proxied. */
const PROXY_SETTINGS = [
  "mirror",
  "rewrite",
  "load_balancer",
  "protocols",
  "hash_key",
  "sticky",
  "retry",
  "timeouts",
];
const BODYLESS: readonly unknown[] = [204, 205, 304];

export function* routeProblems(root: SourceNode, route: SourceNode): Findings {
  if (!isMapping(route)) return;
  yield* actionProblems(route);
  for (const named of [route, route.children.get("mirror")]) {
    const name = named === undefined ? null : textOf(named, "upstream");
    const problem = name === null ? null : unknownUpstream(root, name);
    if (problem !== null) yield atValue(named!.children.get("upstream")!, problem);
  }
  const app = textOf(route, "app");
  const noApp = app === null ? null : unknownApp(root, app);
  if (noApp !== null) yield atValue(route.children.get("app")!, noApp);
  yield* splitProblems(root, route.children.get("split"));
  yield* bodyProblems(route.children.get("respond"));
  const files = route.children.get("static");
  if (files !== undefined) yield* staticProblems(files);
}

function* actionProblems(route: SourceNode): Findings {
  const [first, ...others] = ACTIONS.flatMap((name) => route.children.get(name) ?? []);
  if (first === undefined) {
    if (hasMisspelt(route, ACTIONS)) return;
    yield atKey(route, `missing action: expected exactly one of ${ACTIONS.join(", ")}`);
    return;
  }
  for (const other of others) {
    const both = `cannot use "${other.path.at(-1)}" beside "${first.path.at(-1)}"`;
    yield atKey(other, `${both}: expected exactly one of ${ACTIONS.join(", ")}`);
  }
  if (PROXYING.some((name) => route.children.has(name))) return;
  const prefix = route.children.get("strip_prefix");
  if (prefix !== undefined && !PATHS.some((name) => route.children.has(name)))
    yield atKey(
      prefix,
      'cannot use "strip_prefix" without "upstream", "split", "app" or "static": nothing has a path here',
    );
  for (const name of PROXY_SETTINGS) {
    const setting = route.children.get(name);
    if (setting === undefined || (name === "timeouts" && route.children.has("app"))) continue;
    yield atKey(setting, `cannot use "${name}" without "upstream" or "split": nothing is proxied here`);
  }
}

function* splitProblems(root: SourceNode, split: SourceNode | undefined): Findings {
  const to = split?.children.get("to");
  if (to === undefined || !isMapping(to)) return;
  for (const [name, weight] of to.children) {
    const problem = unknownUpstream(root, String(name));
    if (problem !== null) yield atKey(weight, problem);
  }
  if ([...to.children.values()].every(({ value }) => value === 0))
    yield atKey(to, "cannot split without weights: expected at least one above 0");
}

function* bodyProblems(respond: SourceNode | undefined): Findings {
  const body = respond?.children.get("body");
  const status = respond?.children.get("status")?.value;
  if (body === undefined || body.value === "" || !BODYLESS.includes(status)) return;
  yield atKey(body, `cannot send a body with status ${status}: expected none`);
}
