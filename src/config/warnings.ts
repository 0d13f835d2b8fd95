// What a sound configuration asks for that will not happen, said once for each kind of setting. Runs anywhere.

import { atKey, type Finding } from "./finding.ts";
import { quote } from "./problem.ts";
import { WORKING_BALANCERS } from "./schema.ts";
import type { SourceNode } from "./tree.ts";

interface Notice {
  readonly node: SourceNode;
  readonly message: string;
  count: number;
}

export function collectWarnings(root: SourceNode): readonly Finding[] {
  const notices = new Map<string, Notice>();
  const notice = (node: SourceNode | undefined, message: string) => {
    if (node === undefined) return;
    const known = notices.get(message);
    if (known === undefined) notices.set(message, { node, message, count: 1 });
    else known.count++;
  };

  const ssl = root.children.get("ssl")?.children;
  notice(ssl?.get("cert_file") ?? ssl?.get("key_file"), "not yet in effect: every listener is plain HTTP");
  for (const upstream of root.children.get("backends")?.children.values() ?? []) {
    const backends = [...upstream.children.values()];
    for (const { children } of backends) {
      notice(children.get("max_conn"), "not yet in effect: connections to a backend are not limited");
      notice(children.get("health_check"), "not yet in effect: backends are not checked");
    }
    if (backends.every(({ children }) => children.get("active")?.value === false)) {
      notice(upstream, `no backend of ${quote(upstream.path.at(-1))} is active: its routes answer 503`);
    }
  }
  const routes = root.children.get("routing") ?? root;
  if (routes === root || routes.children.size === 0)
    notice(routes, "no routes: every request is answered with 404");
  else for (const { children } of routes.children.values()) noticeBalancers(children, notice);
  for (const name of ["admin", "grpc"]) {
    const admin = root.children.get(name);
    if (admin?.children.get("enabled")?.value !== false)
      notice(admin, "not yet in effect: there is no admin API");
  }

  return [...notices.values()].map(({ node, message, count }) => {
    const others = count === 2 ? "1 more place" : `${count - 1} more places`;
    return atKey(node, count === 1 ? message : `${message} (here and in ${others})`);
  });
}

function noticeBalancers(
  route: SourceNode["children"],
  notice: (node: SourceNode | undefined, message: string) => void,
): void {
  const balancer = route.get("load_balancer");
  if (balancer !== undefined && !(WORKING_BALANCERS as readonly unknown[]).includes(balancer.value)) {
    notice(balancer, `${quote(balancer.value)} is not yet in effect: "weight" is used`);
  }
  notice(route.get("protocols"), "not yet in effect: one balancer chooses for every protocol");
}
