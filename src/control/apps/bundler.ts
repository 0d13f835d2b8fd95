// Makes one file of an app's entry and all that it imports. Control thread.

import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { type BuildFailure, build, formatMessages, type Message, type Note } from "esbuild";
import { type ReadFile, stampOf } from "../../config/pem-files.ts";
import { withBuilder } from "./builder.ts";
import { PLACES, sources } from "./bundle-sources.ts";
import { CodeError } from "./code-error.ts";
import { ancestors, placesOfMissing } from "./missing-files.ts";

export interface Bundle {
  /** The same for the same code in the same lines. */
  readonly id: string;
  /** JavaScript, a module. */
  readonly code: Uint8Array;
  readonly map: Uint8Array;
  /** It has calls of `console`, as far as one can see. */
  readonly logs: boolean;
  /** What it was made of, each as it was before it was read: absolute paths. */
  readonly inputs: readonly ReadFile[];
}

/** Rejects with a CodeError that shows file, line and the code around it. */
export function bundle(entry: string): Promise<Bundle> {
  return withBuilder(() => bundleIn(entry));
}

async function bundleIn(entry: string): Promise<Bundle> {
  const inputs = new Map(filesBefore(entry).map((file) => [file.path, file]));
  try {
    const { outputFiles } = await build({
      entryPoints: [entry],
      outfile: "app.mjs",
      bundle: true,
      write: false,
      platform: "node",
      format: "esm",
      target: "node24",
      sourcemap: "external",
      sourcesContent: true,
      // Stack traces show whole paths.
      sourceRoot: "file:///",
      absWorkingDir: "/",
      logLevel: "silent",
      banner: { js: requireFor(entry) },
      define: PLACES,
      plugins: [sources(inputs)],
    });
    const code = outputFiles.find(({ path }) => path.endsWith(".mjs"))!.contents;
    const map = outputFiles.find(({ path }) => path.endsWith(".map"))!.contents;
    const id = createHash("sha256").update(code).update(map).digest("hex").slice(0, 16);
    const logs = Buffer.from(code.buffer, code.byteOffset, code.byteLength).includes("console");
    return { id, code, map, logs, inputs: [...inputs.values()] };
  } catch (error) {
    const { errors } = error as BuildFailure;
    if (errors === undefined) throw error;
    const messages = await formatMessages(errors.map(withWholePath), { kind: "error", color: false });
    throw new CodeError(`Cannot build "${entry}":\n${messages.join("\n").trimEnd()}`, [
      ...inputs.values(),
      ...placesOfMissing(errors),
    ]);
  }
}

/** esbuild names files from its working directory, which is the root. */
function withWholePath<Part extends Note>(part: Part): Part {
  const { location } = part;
  const notes = "notes" in part ? { notes: (part as unknown as Message).notes.map(withWholePath) } : {};
  return { ...part, ...notes, location: location && { ...location, file: `/${location.file}` } };
}

/** The entry, and files that say how the others are read: as they are, or are not there. */
function filesBefore(entry: string): ReadFile[] {
  const settings = ancestors(dirname(entry)).flatMap((folder) => {
    return [join(folder, "tsconfig.json"), join(folder, "package.json")];
  });
  return [entry, ...settings].map((path) => ({ path, stamp: stampOf(path) }));
}

/** The code of a bundle with the name of the file that has its map. */
export function mappedBy(code: Uint8Array, mapName: string): Uint8Array {
  return Buffer.concat([code, Buffer.from(`//# sourceMappingURL=${mapName}\n`)]);
}

/** Packages in CommonJS ask for `require`, which a module has not. */
function requireFor(entry: string): string {
  const from = JSON.stringify(pathToFileURL(entry).href);
  return `import { createRequire as $require } from "node:module"; const require = $require(${from});`;
}
