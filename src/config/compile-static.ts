// Makes of the section `static` of a route what a data thread serves files by. Runs anywhere.

import { resolve } from "node:path";
import type { RouteConfig } from "./schema/config.ts";
import { ENCODINGS } from "./schema/static.ts";
import type { StaticSpec } from "./snapshot.ts";

export function compileStatic(
  files: NonNullable<RouteConfig["static"]>,
  stripPrefix: string | null,
): StaticSpec {
  const { precompressed, cache_control: cacheControl = {} } = files;
  return {
    kind: "static",
    root: resolve(files.root),
    index: files.index,
    spaFallback: files.spa_fallback ?? null,
    encodings: precompressed === true ? ENCODINGS : precompressed || [],
    cacheControl: typeof cacheControl === "string" ? [["*", cacheControl]] : Object.entries(cacheControl),
    types: Object.entries(files.types).map(([extension, type]) => [extension.toLowerCase(), type]),
    list: files.list,
    dotfiles: files.dotfiles,
    stripPrefix,
  };
}
