// Which listeners of a file speak TLS, and with which certificates: asked of the tree, whose values may still be anything.
// Runs anywhere.

import type { SourceNode } from "./tree.ts";

/** A listener of the file, or the one that `server` is where it has no list. */
interface WrittenListener {
  /** What makes it speak TLS. */
  readonly reason: SourceNode;
  /** Its own section, or null. */
  readonly own: SourceNode | null;
}

export function tlsListeners(root: SourceNode): WrittenListener[] {
  const enabled = root.children.get("ssl")?.children.get("enabled");
  const standard = enabled?.value === true ? enabled : null;
  const listeners = root.children.get("server")?.children.get("listeners");
  if (listeners === undefined) return standard === null ? [] : [{ reason: standard, own: null }];
  return [...listeners.children.values()].flatMap(({ children }) => {
    const [tls, own = null] = [children.get("tls"), children.get("ssl")];
    if (tls?.value === false) return [];
    const reason = tls?.value === true ? tls : (own ?? standard);
    return reason === null ? [] : [{ reason, own }];
  });
}

/** Whether a section has certificates, so that it needs none from another. */
export function hasCertificates({ children }: SourceNode): boolean {
  return children.has("cert_file") || children.has("certificates");
}

/** The sections that TLS listeners take settings from, each once. */
export function sectionsInUse(root: SourceNode): SourceNode[] {
  const ssl = root.children.get("ssl");
  const sections = new Set<SourceNode>();
  for (const { own } of tlsListeners(root)) {
    if (own !== null) sections.add(own);
    // A listener takes from there what it has not itself.
    if (ssl !== undefined) sections.add(ssl);
  }
  return [...sections];
}

/** Each has `cert_file` and `key_file`: the sections in use, as far as they have such, and what is in their lists. */
export function* pairsInUse(root: SourceNode): Generator<SourceNode> {
  for (const section of sectionsInUse(root)) {
    if (section.children.has("cert_file") || section.children.has("key_file")) yield section;
    yield* section.children.get("certificates")?.children.values() ?? [];
  }
}
