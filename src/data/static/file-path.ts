// From the path of a request to the path of a file below a root. Pure; data threads.

/**
 * The path below the root, with its leading slash, as the file system knows it; null where no file can be meant.
 * `path` is canonical (core/path.ts): without dot segments, `//`, encoded controls and backslashes. What is still
 * encoded is decoded here, once. An encoded slash would be part of a name, and no file has such a name.
 */
export function decodedPath(path: string): string | null {
  if (!path.includes("%")) return isSound(path) ? path : null;
  if (path.includes("%2F")) return null;
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return null;
  }
  return isSound(decoded) ? decoded : null;
}

/** The canonical form has nothing of this. It is looked at again, where it would be dangerous. */
const DANGEROUS = /[\0\\]|(?:^|\/)\.{1,2}(?:\/|$)/;

function isSound(path: string): boolean {
  return path.startsWith("/") && !DANGEROUS.test(path);
}

const HIDDEN = /\/\.(?!well-known(?:\/|$))/;

/** Whether a name of the path starts with a dot. At the root, `.well-known` (RFC 8615) is an ordinary name. */
export function isHidden(path: string): boolean {
  return path.includes("/.") && (HIDDEN.test(path) || path.lastIndexOf("/.") > 0);
}
