// What listeners need to speak TLS, with the text of the files that the configuration names. Runs anywhere.

import { leafOf, namesOf } from "./certificates.ts";
import type { PemFiles } from "./pem-files.ts";
import type { Config } from "./schema/config.ts";
import type { CertificateSpec, ListenerTls } from "./snapshot.ts";

type Settings = NonNullable<NonNullable<Config["server"]["listeners"]>[number]["ssl"]>;

/** Mozilla's intermediate list (ssl-config.mozilla.org), without DHE, that no browser needs. */
export const STANDARD_CIPHERS = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
];
export const STANDARD_CURVES = ["X25519MLKEM768", "X25519", "P-256", "P-384"];

/** The TLS of each listener in the order of the file, null for a plain one. Those with the same share one object. */
export function compileTls({ server, ssl }: Config, files: PemFiles): Array<ListenerTls | null> {
  let standard: ListenerTls | null = null;
  const ofSection = () => {
    standard ??= tlsOf(ssl, files);
    return standard;
  };
  if (server.listeners === undefined) return [ssl.enabled ? ofSection() : null];
  return server.listeners.map(({ tls, ssl: own }) => {
    if (!(tls ?? (own !== undefined || ssl.enabled))) return null;
    return own === undefined ? ofSection() : tlsOf(withOwn(ssl, own), files);
  });
}

/** A listener with certificates of its own has none of the section's. */
function withOwn(ssl: Settings, own: Settings): Settings {
  if (own.cert_file === undefined && own.certificates === undefined) return { ...ssl, ...own };
  const { cert_file: _cert, key_file: _key, certificates: _certificates, ...rest } = ssl;
  return { ...rest, ...own };
}

function tlsOf(settings: Settings, files: PemFiles): ListenerTls {
  const { cert_file, key_file, certificates = [], client_ca: clientCa } = settings;
  const pairs =
    cert_file === undefined ? certificates : [{ cert_file, key_file: key_file! }, ...certificates];
  return {
    certificates: pairs.map((pair) => certificateOf(pair, files)),
    minVersion: settings.min_version ?? "TLSv1.2",
    maxVersion: settings.max_version ?? "TLSv1.3",
    ciphers: (settings.ciphers ?? STANDARD_CIPHERS).join(":"),
    curves: (settings.curves ?? STANDARD_CURVES).join(":"),
    client:
      clientCa === undefined
        ? null
        : { ca: files.text(clientCa), required: settings.client_auth !== "optional" },
  };
}

function certificateOf(
  { cert_file: certFile, key_file: keyFile }: { readonly cert_file: string; readonly key_file: string },
  files: PemFiles,
): CertificateSpec {
  const cert = files.text(certFile);
  const leaf = leafOf(cert)!;
  const id = leaf.fingerprint256.replaceAll(":", "").toLowerCase();
  return { file: certFile, cert, key: files.text(keyFile), names: namesOf(leaf), id };
}
