// What a sound configuration asks for that will not happen, said once for each kind of setting. Runs anywhere.

import { atKey, type Finding } from "./finding.ts";
import type { PemFiles } from "./pem-files.ts";
import { quote } from "./problem.ts";
import { entriesOf } from "./settings.ts";
import { tlsWarnings } from "./tls-warnings.ts";
import type { SourceNode } from "./tree.ts";

interface Notice {
  readonly node: SourceNode;
  readonly message: string;
  count: number;
}

type Notify = (node: SourceNode | undefined, message: string) => void;

/** Settings that one balancer alone looks at. */
const OF_BALANCERS = [
  ["hash_key", "consistent_hash"],
  ["sticky", "sticky"],
] as const;

/** `files` have the certificates, which are good for so long. */
export function collectWarnings(root: SourceNode, files: PemFiles, nowMs: number): readonly Finding[] {
  const notices = new Map<string, Notice>();
  const notice: Notify = (node, message) => {
    if (node === undefined) return;
    const known = notices.get(message);
    if (known === undefined) notices.set(message, { node, message, count: 1 });
    else known.count++;
  };

  for (const upstream of root.children.get("backends")?.children.values() ?? []) {
    const backends = [...upstream.children.values()];
    if (backends.every(({ children }) => children.get("active")?.value === false)) {
      notice(upstream, `no backend of ${quote(upstream.path.at(-1))} is active: its routes answer 503`);
    }
    for (const { children } of backends) {
      const verify = children.get("tls")?.children.get("verify");
      if (verify?.value === false && children.get("active")?.value !== false)
        notice(verify, "the certificate of this backend is not verified");
    }
  }
  const routes = root.children.get("routing") ?? root;
  for (const [, route] of entriesOf(root.children.get("routing"))) {
    noticePreflights(route, notice);
    const chosen = balancersOf(route);
    for (const [name, balancer] of OF_BALANCERS) {
      if (!chosen.includes(balancer))
        notice(route.children.get(name), `not used: no balancer of this route is ${quote(balancer)}`);
    }
  }
  if (routes === root || routes.children.size === 0)
    notice(routes, "no routes: every request is answered with 404");

  const ofKinds = [...notices.values()].map(({ node, message, count }) => {
    const others = count === 2 ? "1 more place" : `${count - 1} more places`;
    return atKey(node, count === 1 ? message : `${message} (here and in ${others})`);
  });
  return [...ofKinds, ...tlsWarnings(root, files, nowMs)];
}

function balancersOf({ children }: SourceNode): unknown[] {
  const ofProtocols = [...entriesOf(children.get("protocols"))].map(([, { value }]) => value);
  return [children.get("load_balancer")?.value, ...ofProtocols];
}

/** A preflight request is one of its own, with a method of its own. */
function noticePreflights({ children }: SourceNode, notice: Notify): void {
  const cors = children.get("policies")?.children.get("cors");
  const methods = children.get("methods")?.value;
  if (cors === undefined || cors.children.get("enabled")?.value === false || methods === undefined) return;
  const listed = (Array.isArray(methods) ? methods : [methods]).map((method) => String(method).toUpperCase());
  if (!listed.includes("OPTIONS"))
    notice(cors, 'answers no preflight requests: "OPTIONS" is not among the "methods" of the route');
}
