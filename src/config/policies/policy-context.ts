// What a policy is compiled with, beside its own settings. Runs anywhere.

import type { PemFiles } from "../pem-files.ts";

export interface PolicyContext {
  /** Whose settings they are: the name of a route, or empty for those of the file, which many routes may share. */
  readonly owner: string;
  /** The files that the configuration names, without a fault. */
  readonly files: PemFiles;
}
