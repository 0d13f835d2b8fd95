// The page that lists a folder. Runs in data threads.

import { readdir } from "node:fs/promises";

/** A page with more names helps nobody. */
export const MAX_LISTED = 5000;

/** `path` is the one below the root, with its slashes; `fd` is that of the open folder, which is read wherever `folder` leads now. */
export async function listFolder(
  folder: string,
  fd: number,
  path: string,
  dotfiles: boolean,
): Promise<Buffer> {
  const entries = await entriesOf(folder, fd);
  const names: string[] = [];
  for (const entry of entries) {
    // A name that is no UTF-8 cannot be asked for.
    if ((entry.name.startsWith(".") && !dotfiles) || entry.name.includes("\ufffd")) continue;
    names.push(entry.isDirectory() ? `${entry.name}/` : entry.name);
  }
  names.sort(foldersFirst);
  return Buffer.from(page(path, names));
}

async function entriesOf(folder: string, fd: number) {
  try {
    return await readdir(`/proc/self/fd/${fd}`, { withFileTypes: true });
  } catch {
    return await readdir(folder, { withFileTypes: true });
  }
}

function foldersFirst(a: string, b: string): number {
  const folders = Number(b.endsWith("/")) - Number(a.endsWith("/"));
  if (folders !== 0) return folders;
  return a < b ? -1 : 1;
}

function page(path: string, names: readonly string[]): string {
  const title = `Index of ${escaped(path)}`;
  const up = path === "/" ? "" : '<li><a href="../">../</a></li>\n';
  const items = names
    .slice(0, MAX_LISTED)
    .map((name) => `<li><a href="${hrefOf(name)}">${escaped(name)}</a></li>\n`);
  const rest = names.length > MAX_LISTED ? `<p>and ${names.length - MAX_LISTED} more</p>\n` : "";
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title></head>
<body><h1>${title}</h1>
<ul>
${up}${items.join("")}</ul>
${rest}</body></html>
`;
}

/** Relative, and with nothing in it that could be a scheme. */
function hrefOf(name: string): string {
  const isFolder = name.endsWith("/");
  return `./${encodeURIComponent(isFolder ? name.slice(0, -1) : name)}${isFolder ? "/" : ""}`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character]!);
}
