// What a sound configuration asks for that will not happen, said once for each kind of setting. Runs anywhere.

import { atKey, type Finding } from "./finding.ts";
import { quote } from "./problem.ts";
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
    if (backends.every(({ children }) => children.get("active")?.value === false)) {
      notice(upstream, `no backend of ${quote(upstream.path.at(-1))} is active: its routes answer 503`);
    }
    for (const { children } of backends) {
      const verify = children.get("tls")?.children.get("verify");
      if (verify?.value === false) notice(verify, "the certificate of this backend is not verified");
    }
  }
  const routes = root.children.get("routing") ?? root;
  if (routes === root || routes.children.size === 0)
    notice(routes, "no routes: every request is answered with 404");

  return [...notices.values()].map(({ node, message, count }) => {
    const others = count === 2 ? "1 more place" : `${count - 1} more places`;
    return atKey(node, count === 1 ? message : `${message} (here and in ${others})`);
  });
}
