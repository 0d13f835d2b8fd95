// The files that a bundle is made of, as esbuild reads them: noted, and told where they are. Control thread.

import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import type { OnLoadResult, Plugin } from "esbuild";
import { type ReadFile, stampOf } from "../../config/pem-files.ts";

/** In the bundle all of these would be those of the bundle. */
export const PLACES: Record<string, string> = {
  "import.meta.url": "$sluice_url",
  "import.meta.filename": "$sluice_filename",
  "import.meta.dirname": "$sluice_dirname",
  __filename: "$sluice_filename",
  __dirname: "$sluice_dirname",
};

const ASKS_FOR_PLACE = /\bimport\s*\.\s*meta\b|\b__(?:file|dir)name\b/;
const CODE = /\.[cm]?[jt]sx?$/;

/** Notes each file before it is read: what changes from then on is seen, even while the bundle is made. */
export function sources(inputs: Map<string, ReadFile>): Plugin {
  return {
    name: "sources",
    setup({ onLoad }) {
      onLoad({ filter: /\.node$/, namespace: "file" }, ({ path }) => {
        inputs.set(path, { path, stamp: stampOf(path) });
        return { errors: [{ text: `"${path}" is a native addon: VMs run JavaScript and WebAssembly` }] };
      });
      onLoad({ filter: /^\//, namespace: "file" }, async ({ path }) => {
        inputs.set(path, { path, stamp: stampOf(path) });
        return CODE.test(path) ? await placed(path) : undefined;
      });
    },
  };
}

/** The text with its place in the first line; undefined for one that does not ask, which esbuild reads by itself. */
async function placed(path: string): Promise<OnLoadResult | undefined> {
  const text = await readFile(path, "utf8");
  if (!ASKS_FOR_PLACE.test(text)) return undefined;
  const [url, filename, folder] = [pathToFileURL(path).href, path, dirname(path)].map((value) =>
    JSON.stringify(value),
  );
  const place = `const $sluice_url = ${url}, $sluice_filename = ${filename}, $sluice_dirname = ${folder};`;
  // A first line that begins with #! is for a shell.
  return { contents: `${place} ${text.startsWith("#!") ? "//" : ""}${text}`, loader: "default" };
}
