// How the settings of TLS towards clients must fit together, and the files that they name. Runs anywhere.

import { createSecureContext } from "node:tls";
import { pairFault } from "./certificates.ts";
import { atKey, atValue, type Findings } from "./finding.ts";
import type { PemFiles } from "./pem-files.ts";
import { quote } from "./problem.ts";
import { hasMisspelt, isMapping, textOf } from "./settings.ts";
import { nearest } from "./suggest.ts";
import { hasCertificates, pairsInUse, sectionsInUse, tlsListeners } from "./tls-listeners.ts";
import type { SourceNode } from "./tree.ts";

const PAIR = ["cert_file", "key_file"] as const;

/** Files are looked at only where a listener uses them. */
export function* tlsProblems(root: SourceNode, files: PemFiles): Findings {
  yield* switchProblems(root);
  const ssl = root.children.get("ssl");
  const isEnough =
    ssl !== undefined && (hasCertificates(ssl) || hasMisspelt(ssl, ["cert_file", "certificates"]));
  for (const { reason, own } of tlsListeners(root)) {
    if (isEnough || (own !== null && hasCertificates(own))) continue;
    yield atValue(
      reason,
      `cannot speak TLS without a certificate: expected "cert_file" and "key_file" in "ssl"`,
    );
    break;
  }
  for (const pair of pairsInUse(root)) yield* pairProblems(pair, files);
  for (const section of sectionsInUse(root)) {
    yield* clientProblems(section, ssl, files);
    yield* versionProblems(section, ssl);
    yield* namesProblems(section.children.get("ciphers"), "cipher", (ciphers) => ({ ciphers }));
    yield* namesProblems(section.children.get("curves"), "curve", (ecdhCurve) => ({ ecdhCurve }));
  }
}

function* switchProblems(root: SourceNode): Findings {
  const listeners = root.children.get("server")?.children.get("listeners")?.children.values() ?? [];
  for (const { children } of listeners) {
    const own = children.get("ssl");
    if (own !== undefined && children.get("tls")?.value === false)
      yield atKey(own, 'cannot use "ssl" beside "tls: false": this listener is plain HTTP');
  }
  const ssl = root.children.get("ssl");
  const redirect = ssl?.children.get("redirect_http");
  if (redirect?.value === true && !ssl!.children.has("redirect_port") && tlsListeners(root).length === 0)
    yield atValue(redirect, 'cannot send clients to https: expected a listener with TLS, or "redirect_port"');
}

/** `holder` has `cert_file` and `key_file`, or should have. */
function* pairProblems(holder: SourceNode, files: PemFiles): Findings {
  if (!isMapping(holder)) return;
  const missing = PAIR.filter((name) => !holder.children.has(name));
  for (const name of missing) {
    const other = holder.children.get(name === "key_file" ? "cert_file" : "key_file");
    // In a list the schema says so.
    if (other !== undefined && !isMisspelt(holder, name) && holder.path.at(-1) === "ssl")
      yield atKey(other, `cannot use ${quote(other.path.at(-1))} without ${quote(name)}: expected both`);
  }
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

/** Each of the two names looks like the other one misspelt. */
function isMisspelt({ children }: SourceNode, name: (typeof PAIR)[number]): boolean {
  const others = [...children.keys()].filter((key) => !PAIR.some((known) => known === key));
  return others.some((key) => nearest(String(key), [name]) !== null);
}

function* clientProblems(section: SourceNode, ssl: SourceNode | undefined, files: PemFiles): Findings {
  const file = textOf(section, "client_ca");
  const fault = file === null ? null : files.fault(file, "CERTIFICATE");
  if (fault !== null)
    yield atValue(section.children.get("client_ca")!, `cannot use ${quote(file)}: ${fault}`);
  const auth = section.children.get("client_auth");
  if (auth === undefined || hasMisspelt(section, ["client_ca"])) return;
  if (!section.children.has("client_ca") && ssl?.children.has("client_ca") !== true)
    yield atKey(
      auth,
      'cannot use "client_auth" without "client_ca": expected the authorities of the clients',
    );
}

function* versionProblems(section: SourceNode, ssl: SourceNode | undefined): Findings {
  const versionOf = (name: string) => String((section.children.get(name) ?? ssl?.children.get(name))?.value);
  if (versionOf("min_version") !== "1.3" || versionOf("max_version") !== "1.2") return;
  const setting = section.children.get("max_version") ?? section.children.get("min_version");
  if (setting !== undefined)
    yield atValue(setting, `cannot use ${quote(setting.value)}: "max_version" is below "min_version"`);
}

/** OpenSSL leaves out of a list what it does not know, as long as it knows one of them. */
function* namesProblems(
  setting: SourceNode | undefined,
  kind: string,
  optionsOf: (name: string) => object,
): Findings {
  if (setting === undefined) return;
  const nodes = Array.isArray(setting.value) ? [...setting.children.values()] : [setting];
  for (const node of nodes) {
    if (typeof node.value !== "string" || node.broken) continue;
    for (const name of node.value.split(":")) {
      if (isKnown(optionsOf(name))) continue;
      const message = `cannot use ${quote(name)}: expected a ${kind} that OpenSSL knows`;
      yield atValue(node, message);
    }
  }
}

function isKnown(options: object): boolean {
  try {
    createSecureContext({ ...options, ca: [] });
    return true;
  } catch {
    return false;
  }
}
