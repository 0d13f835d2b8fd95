// What each folder under src/ may import: the folder table of the design, as data. Runs in development only.

/** A folder may always import itself. */
export interface FolderRule {
  /** Beginnings of paths of the project. */
  readonly paths: readonly string[];
  /** Beginnings of paths of which only types may be imported. */
  readonly types?: readonly string[];
  readonly builtins: "every" | readonly string[];
  readonly forbiddenBuiltins?: readonly string[];
  /** Of the `dependencies` in package.json. */
  readonly packages: "every" | readonly string[];
}

export const FOLDER_RULES: Readonly<Record<string, FolderRule>> = {
  "src/core/": { paths: [], builtins: [], packages: [] },
  "src/config/": {
    paths: ["src/core/"],
    builtins: ["node:crypto", "node:fs", "node:os", "node:path", "node:tls"],
    packages: ["yaml", "zod"],
  },
  "src/wire/": { paths: ["src/core/"], types: ["src/config/"], builtins: ["node:tls"], packages: [] },
  "src/data/": {
    paths: ["src/core/", "src/config/snapshot.ts", "src/wire/"],
    builtins: "every",
    forbiddenBuiltins: ["node:http", "node:https"],
    packages: ["bcryptjs", "http-cache-semantics", "jose", "mime", "ws"],
  },
  "src/vm/": { paths: ["src/core/", "src/wire/"], builtins: "every", packages: [] },
  "src/control/": { paths: ["src/core/", "src/config/", "src/wire/"], builtins: "every", packages: "every" },
  "src/kv/": { paths: ["src/core/", "src/wire/"], builtins: "every", packages: [] },
  "src/testing/": { paths: ["src/control/", "src/config/"], builtins: "every", packages: "every" },
  "src/cli/": {
    paths: ["src/core/", "src/config/", "src/control/", "src/bench/"],
    builtins: "every",
    packages: "every",
  },
  "src/bench/": { paths: ["src/core/"], builtins: "every", packages: [] },
};
