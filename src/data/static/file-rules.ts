// What a route says of a file by its name: its media type and how long it may be kept. Pure; data threads.

import mime from "mime";
import type { StaticSpec } from "../../config/snapshot.ts";

interface CacheRule {
  readonly pattern: RegExp;
  /** The pattern is about the name alone. */
  readonly ofName: boolean;
  readonly value: string;
}

/** Asked once for each file that is looked up, never for each request. */
export class FileRules {
  readonly #types: ReadonlyMap<string, string>;
  readonly #cacheRules: readonly CacheRule[];

  constructor({ types, cacheControl }: Pick<StaticSpec, "types" | "cacheControl">) {
    this.#types = new Map(types);
    this.#cacheRules = cacheControl.map(([pattern, value]) => ({
      pattern: patternOf(pattern),
      ofName: !pattern.includes("/"),
      value,
    }));
  }

  /** `path` is below the root, with its leading slash. */
  cacheControl(path: string): string | null {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const rule = this.#cacheRules.find(({ pattern, ofName }) => pattern.test(ofName ? name : path.slice(1)));
    return rule?.value ?? null;
  }

  contentType(path: string): string {
    const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
    const dot = name.lastIndexOf(".");
    const own = dot < 0 ? undefined : this.#types.get(name.slice(dot));
    if (own !== undefined) return own;
    const type = (dot < 0 ? null : mime.getType(name)) ?? "application/octet-stream";
    return type.startsWith("text/") ? `${type}; charset=utf-8` : type;
  }
}

/** `*` stands for any text, slashes too. A leading slash may be written or not. */
function patternOf(text: string): RegExp {
  const parts = text.replace(/^\//, "").split("*");
  return new RegExp(`^${parts.map((part) => RegExp.escape(part)).join(".*")}$`, "s");
}
