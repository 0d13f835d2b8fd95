// What the schema cannot say: how the settings of a file must fit together. Works on the tree of the file, whose values
// may still be anything, so that these problems are found beside those of the schema and not after them. Runs anywhere.

import { canonicalAddress } from "../core/ip.ts";
import { appProblems } from "./app-relations.ts";
import { upstreamProblems } from "./backend-relations.ts";
import { atKey, atValue, type Findings } from "./finding.ts";
import type { PemFiles } from "./pem-files.ts";
import { policyProblems } from "./policy-relations.ts";
import { quote } from "./problem.ts";
import { routeProblems } from "./route-relations.ts";
import { findRunAs, RUN_AS } from "./run-as.ts";
import { STANDARD_EJECTION_TIME, STANDARD_MIN_TTL } from "./schema/upstream.ts";
import { entriesOf, hasMisspelt, isMapping, textOf } from "./settings.ts";
import { tlsProblems } from "./tls-relations.ts";
import type { SourceNode } from "./tree.ts";
import { parseDuration } from "./units.ts";
import { unknownUpstream } from "./upstream-names.ts";
import { host } from "./values.ts";

export function* relationProblems(root: SourceNode, files: PemFiles): Findings {
  const { children } = root;
  yield* listenerProblems(children.get("server"));
  yield* runAsProblems(children.get("server"));
  yield* tlsProblems(root, files);
  for (const [, upstream] of entriesOf(children.get("backends"))) yield* upstreamProblems(upstream, files);
  for (const [name, rules] of entriesOf(children.get("upstreams"))) {
    const problem = unknownUpstream(root, String(name));
    if (problem !== null) yield atKey(rules, problem);
    yield* ruleProblems(rules);
  }
  yield* orderProblems(children.get("resolver"), ["min_ttl", STANDARD_MIN_TTL], "max_ttl");
  for (const [, app] of entriesOf(children.get("apps"))) yield* appProblems(root, app, files);
  for (const [, route] of entriesOf(children.get("routing"))) yield* routeProblems(root, route);
  yield* policyProblems(root, files);
  const grpc = children.get("grpc");
  if (grpc !== undefined && children.has("admin")) {
    yield atKey(grpc, 'cannot use "grpc" beside "admin": it is the older name of the same section');
  }
  for (const name of ["admin", "grpc"]) {
    yield* adminProblems(children.get(name));
    yield* opennessProblems(root, children.get(name));
  }
}

function* listenerProblems(server: SourceNode | undefined): Findings {
  const listeners = server?.children.get("listeners");
  if (listeners === undefined) return;
  for (const name of ["host", "port"]) {
    const setting = server?.children.get(name);
    if (setting === undefined) continue;
    yield atKey(setting, `cannot use "${name}" beside "listeners": expected one or the other`);
  }
  const seen = new Set<string>();
  for (const listener of listeners.children.values()) {
    const h2c = listener.children.get("h2c");
    if (h2c?.value === true && listener.children.get("tls")?.value === true)
      yield atValue(h2c, "cannot use true on a listener with TLS, which offers HTTP/2 by itself");
    const host = listener.children.get("host")?.value;
    const port = listener.children.get("port")?.value;
    if (typeof host !== "string" || typeof port !== "number" || port === 0) continue;
    const address = `${quote(host)}, port ${port}`;
    if (seen.has(address)) yield atValue(listener, `cannot listen twice on ${address}`);
    seen.add(address);
  }
}

function* runAsProblems(server: SourceNode | undefined): Findings {
  const text = server === undefined ? null : textOf(server, "run_as");
  if (text === null || !RUN_AS.test(text)) return;
  const found = findRunAs(text);
  if ("problem" in found)
    yield atValue(server!.children.get("run_as")!, `cannot use ${quote(text)}: ${found.problem}`);
}

function* ruleProblems(rules: SourceNode): Findings {
  yield* orderProblems(rules.children.get("ejection"), ["time", STANDARD_EJECTION_TIME], "max_time");
  const circuit = rules.children.get("circuit_breaker");
  const triggers = ["pending", "failure_share"];
  if (circuit === undefined || !isMapping(circuit) || hasMisspelt(circuit, triggers)) return;
  if (!triggers.some((name) => circuit.children.has(name)))
    yield atKey(
      circuit,
      'cannot break a circuit without a limit: expected "pending", "failure_share" or both',
    );
}

/** A longest time that is written may not be below the shortest one, which has a default. */
function* orderProblems(
  section: SourceNode | undefined,
  [shortest, standard]: readonly [name: string, standard: string],
  longest: string,
): Findings {
  const most = section === undefined ? null : textOf(section, longest);
  if (section === undefined || most === null) return;
  const least = section.children.has(shortest) ? textOf(section, shortest) : standard;
  const [leastMs, mostMs] = [least, most].map((text) => parseDuration(text ?? ""));
  if (leastMs == null || mostMs == null || leastMs <= mostMs) return;
  const message = `cannot use ${quote(most)}: expected no less than "${shortest}" (${least})`;
  yield atValue(section.children.get(longest)!, message);
}

function* adminProblems(admin: SourceNode | undefined): Findings {
  const text = admin === undefined ? null : textOf(admin, "host");
  if (admin === undefined || text === null || admin.children.get("enabled")?.value === false) return;
  const { data: address } = host().safeParse(text);
  if (address === undefined || isLoopback(address)) return;
  const open = admin.children.get("open");
  if (open?.value === true)
    yield atValue(open, `cannot use true with host ${quote(text)}: expected a loopback address`);
  if (!admin.children.has("token") && !hasMisspelt(admin, ["token"])) {
    const message = `cannot use ${quote(text)} without "token": expected one, or a loopback address`;
    yield atValue(admin.children.get("host")!, message);
  }
}

/** What is open to every user of this machine is open to the apps on it. */
function* opennessProblems(root: SourceNode, admin: SourceNode | undefined): Findings {
  const open = admin?.children.get("open");
  if (open?.value !== true || admin?.children.get("enabled")?.value === false) return;
  for (const [name, app] of entriesOf(root.children.get("apps"))) {
    const permissions = app.children.get("permissions");
    const reaching = ["net", "run"].find((one) => permissions?.children.get(one)?.value === true);
    if (reaching === undefined) continue;
    yield atValue(
      open,
      `cannot use true beside app "${name}", whose permission "${reaching}" lets it reach this address`,
    );
    return;
  }
}

function isLoopback(address: string): boolean {
  const plain = canonicalAddress(address);
  return address === "localhost" || plain === "::1" || plain?.startsWith("127.") === true;
}
