// Opens files below a root, and nothing else: no matter where symbolic links lead, and when they are changed. Data threads.

import fs, { type BigIntStats, constants } from "node:fs";
import { promisify } from "node:util";
import { GatewayError } from "../../core/errors.ts";

const open = promisify(fs.open);
const readlink = promisify(fs.readlink);
const realpath = promisify(fs.realpath.native);
const fstat: (fd: number, options: { bigint: true }) => Promise<BigIntStats> = promisify(fs.fstat);
export const stat: (path: string, options: { bigint: true }) => Promise<BigIntStats> = promisify(fs.stat);
export const read = promisify(fs.read);

const BIGINT = { bigint: true } as const;
/** Without waiting for the other end of a FIFO, and without becoming the controlling terminal. */
const FILE = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);
const FOLDER = FILE | (constants.O_DIRECTORY ?? 0);

export interface OpenFile {
  readonly fd: number;
  readonly stats: BigIntStats;
}

/** What a path led to, so that it can be seen later whether that changed. `missing` where there was nothing. */
export function stampOf(stats: BigIntStats | null): string {
  if (stats === null) return "missing";
  const { dev, ino, mode, size, mtimeNs, ctimeNs } = stats;
  return `${dev} ${ino} ${mode} ${size} ${mtimeNs} ${ctimeNs}`;
}

/** Null where there is nothing; what else goes wrong is thrown. */
export async function lookAt(path: string): Promise<BigIntStats | null> {
  try {
    return await stat(path, BIGINT);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/**
 * A regular file that is really below `root`; null where there is none, or an error for what should not be there. It is
 * looked at after it was opened: whatever happens to the path meanwhile, what is read is what was looked at. `root` may
 * be a link itself, and is followed anew. `trusted` is the stamp of a file that was found to be there before.
 */
export async function openFile(
  path: string,
  root: string,
  trusted: string | null = null,
): Promise<OpenFile | GatewayError | null> {
  return await openAt(path, FILE, async ({ fd, stats }) => {
    if (!stats.isFile()) return null;
    if (trusted !== null && stampOf(stats) === trusted) return { fd, stats };
    return await whereItIs(path, { fd, stats }, root);
  });
}

export async function openFolder(path: string, root: string): Promise<OpenFile | GatewayError | null> {
  return await openAt(path, FOLDER, async (opened) => {
    return opened.stats.isDirectory() ? await whereItIs(path, opened, root) : null;
  });
}

type Judged = OpenFile | GatewayError | null;

/** Closes what `judge` does not return. */
async function openAt(
  path: string,
  flags: number,
  judge: (opened: OpenFile) => Promise<Judged>,
): Promise<Judged> {
  let fd: number;
  try {
    fd = await open(path, flags);
  } catch (error) {
    return isMissing(error) ? null : fileError(path, error);
  }
  let judged: Judged = null;
  try {
    judged = await judge({ fd, stats: await fstat(fd, BIGINT) });
    return judged;
  } catch (error) {
    return isMissing(error) ? null : fileError(path, error);
  } finally {
    if (judged === null || judged instanceof GatewayError) closeFile(fd);
  }
}

async function whereItIs(path: string, opened: OpenFile, root: string): Promise<OpenFile | GatewayError> {
  const place = await placeOf(path, opened);
  if (place !== null && isBelow(place, await realpath(root))) return opened;
  return new GatewayError("file_outside_root", `${path} is not below ${root}: it leads to ${place}`);
}

function isBelow(place: string, root: string): boolean {
  return place === root || place.startsWith(root === "/" ? root : `${root}/`);
}

/** Where an open file is now; null where that cannot be told. */
async function placeOf(path: string, { fd, stats }: OpenFile): Promise<string | null> {
  try {
    return await readlink(`/proc/self/fd/${fd}`);
  } catch {
    // No such file system: the path is followed once more, and has to lead to the same file.
    const place = await realpath(path);
    const there = await stat(place, BIGINT);
    return there.dev === stats.dev && there.ino === stats.ino ? place : null;
  }
}

/** Nobody waits for it, and nothing can be done where it fails. */
export function closeFile(fd: number): void {
  fs.close(fd, () => undefined);
}

const MISSING = new Set(["ENOENT", "ENOTDIR", "ENAMETOOLONG", "ELOOP", "ENXIO", "ENODEV"]);
const FORBIDDEN = new Set(["EACCES", "EPERM"]);
const EXHAUSTED = new Set(["EMFILE", "ENFILE", "ENOMEM"]);

function isMissing(error: unknown): boolean {
  return MISSING.has(codeOf(error));
}

/** Of what went wrong with a file that may well be there. */
export function fileError(path: string, error: unknown): GatewayError {
  const code = codeOf(error);
  const message = `cannot read ${path}: ${code === "" ? String(error) : code}`;
  if (FORBIDDEN.has(code)) return new GatewayError("file_forbidden", message, error);
  if (EXHAUSTED.has(code)) return new GatewayError("files_exhausted", message, error);
  return new GatewayError("file_unreadable", message, error);
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "";
}
