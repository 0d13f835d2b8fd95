// What listeners need to speak TLS, with the text of the files that the configuration names. Runs anywhere.

import type { PemFiles } from "./pem-files.ts";
import type { Config } from "./schema/config.ts";
import type { ListenerTls } from "./snapshot.ts";

/** Of the section `ssl`, which is without problems; null where it names no certificate. */
export function compileTls({ ssl }: Config, files: PemFiles): ListenerTls | null {
  const { cert_file: certFile, key_file: keyFile } = ssl;
  if (certFile === undefined || keyFile === undefined) return null;
  return { certificates: [{ cert: files.text(certFile), key: files.text(keyFile) }] };
}

/** Whether any listener speaks TLS: otherwise the files are not even looked at. */
export function usesTls({ ssl, server }: Config): boolean {
  return ssl.enabled || server.listeners?.some(({ tls }) => tls === true) === true;
}
