// How the settings of TLS towards clients must fit together, and the files that they name. Runs anywhere.

import { pairFault } from "./certificates.ts";
import { atKey, atValue, type Findings } from "./finding.ts";
import type { PemFiles } from "./pem-files.ts";
import { quote } from "./problem.ts";
import { hasMisspelt, textOf } from "./settings.ts";
import type { SourceNode } from "./tree.ts";

const PAIR = ["cert_file", "key_file"] as const;

export function* tlsProblems(root: SourceNode, files: PemFiles): Findings {
  const ssl = root.children.get("ssl");
  const user = firstUser(root);
  if (user === null) return;
  if (ssl === undefined) {
    yield atValue(user, 'cannot use true without "ssl": expected its "cert_file" and "key_file"');
    return;
  }
  yield* pairProblems(ssl, files);
}

/** The setting that switches TLS on; files are looked at only where there is one. */
function firstUser(root: SourceNode): SourceNode | null {
  const enabled = root.children.get("ssl")?.children.get("enabled");
  if (enabled?.value === true) return enabled;
  const listeners = root.children.get("server")?.children.get("listeners")?.children.values() ?? [];
  for (const listener of listeners) {
    const tls = listener.children.get("tls");
    if (tls?.value === true) return tls;
  }
  return null;
}

/** `holder` has `cert_file` and `key_file`. */
function* pairProblems(holder: SourceNode, files: PemFiles): Findings {
  const missing = PAIR.filter((name) => !holder.children.has(name));
  for (const name of missing)
    if (!hasMisspelt(holder, [name])) yield atKey(holder, `missing key ${quote(name)}: expected a PEM file`);
  let readable = missing.length === 0;
  for (const name of PAIR) {
    const file = textOf(holder, name);
    const fault =
      file === null ? null : files.fault(file, name === "key_file" ? "PRIVATE KEY" : "CERTIFICATE");
    if (file === null || fault !== null) readable = false;
    if (fault !== null) yield atValue(holder.children.get(name)!, `cannot use ${quote(file)}: ${fault}`);
  }
  if (!readable) return;
  const [certFile, keyFile] = [textOf(holder, "cert_file")!, textOf(holder, "key_file")!];
  const found = pairFault(files.text(certFile), files.text(keyFile));
  if (found === null) return;
  const [name, file] = found.at === "cert" ? ["cert_file", certFile] : ["key_file", keyFile];
  yield atValue(holder.children.get(name)!, `cannot use ${quote(file)}: ${found.fault}`);
}
