// Makes one file of an app's entry and all that it imports. Control thread.

import { createHash } from "node:crypto";
import { type BuildFailure, build, formatMessages } from "esbuild";

export interface Bundle {
  /** The same for the same code. */
  readonly id: string;
  /** JavaScript, a module. */
  readonly code: Uint8Array;
  readonly map: Uint8Array;
  /** What it was made of: absolute paths. */
  readonly inputs: readonly string[];
}

/** Packages in CommonJS ask for `require`, which a module has not. */
const REQUIRE =
  'import { createRequire as $require } from "node:module"; const require = $require(import.meta.url);';

/** Rejects with an error that shows file, line and the code around it. */
export async function bundle(entry: string): Promise<Bundle> {
  try {
    const { outputFiles, metafile } = await build({
      entryPoints: [entry],
      outfile: "app.mjs",
      bundle: true,
      write: false,
      metafile: true,
      platform: "node",
      format: "esm",
      target: "node24",
      sourcemap: "linked",
      sourcesContent: true,
      absWorkingDir: "/",
      logLevel: "silent",
      banner: { js: REQUIRE },
    });
    const code = outputFiles.find(({ path }) => path.endsWith(".mjs"))!.contents;
    const map = outputFiles.find(({ path }) => path.endsWith(".map"))!.contents;
    const id = createHash("sha256").update(code).digest("hex").slice(0, 16);
    return { id, code, map, inputs: Object.keys(metafile.inputs).map((path) => `/${path}`) };
  } catch (error) {
    const { errors } = error as BuildFailure;
    if (errors === undefined) throw error;
    const messages = await formatMessages(errors, { kind: "error", color: false });
    throw new Error(`Cannot build "${entry}":\n${messages.join("\n")}`);
  }
}
