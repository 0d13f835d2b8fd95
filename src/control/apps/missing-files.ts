// Files that a bundle could not be made for want of, and where they would be. Control thread.

import { dirname, join, resolve } from "node:path";
import type { Message } from "esbuild";
import { type ReadFile, stampOf } from "../../config/pem-files.ts";

const UNRESOLVED = /^Could not resolve "([^"]+)"/;

/** Where what is missing may appear: the folders that would have it, whether they are there or not. */
export function placesOfMissing(errors: readonly Message[]): ReadFile[] {
  const places = new Set<string>();
  for (const { text, location } of errors) {
    const wanted = UNRESOLVED.exec(text)?.[1];
    if (wanted === undefined || location === null) continue;
    for (const place of candidates(wanted, dirname(`/${location.file}`))) places.add(place);
  }
  return [...places].map((path) => ({ path, stamp: stampOf(path) }));
}

function candidates(wanted: string, folder: string): string[] {
  if (/^[./]/.test(wanted)) {
    const path = resolve(folder, wanted);
    return [path, dirname(path), dirname(dirname(path))];
  }
  const name = /^(?:@[^/]+\/)?[^/]+/.exec(wanted)?.[0] ?? wanted;
  return ancestors(folder).flatMap((ancestor) => {
    const packages = join(ancestor, "node_modules");
    return [packages, join(packages, name), join(packages, name, "package.json")];
  });
}

/** The folder itself, and all that it is in. */
export function ancestors(folder: string): string[] {
  const up = dirname(folder);
  return up === folder ? [folder] : [folder, ...ancestors(up)];
}
