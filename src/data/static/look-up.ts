// Finds what is at a path below a root: a file with its compressed neighbours, a folder, or nothing. Runs in data threads.

import type { StaticEncoding, StaticSpec } from "../../config/snapshot.ts";
import { GatewayError } from "../../core/errors.ts";
import { EXTENSIONS } from "./encodings.ts";
import type { FileRules } from "./file-rules.ts";
import {
  closeFile,
  fileError,
  lookAt,
  type OpenFile,
  openFile,
  openFolder,
  read,
  stampOf,
} from "./file-system.ts";
import { listFolder } from "./listing.ts";
import { type FileFacts, Representation, SMALL_FILE_BYTES } from "./representation.ts";

/** What a look found at one path: when all are the same again, so is what was found. */
export interface Look {
  readonly path: string;
  readonly stamp: string;
}

/** What is served: a file in every form that there is of it. */
export interface FoundFile {
  readonly kind: "file";
  readonly plain: Representation;
  /** With the encodings at the same index. */
  readonly encoded: readonly Representation[];
  readonly encodings: readonly StaticEncoding[];
}

export type Found =
  | FoundFile
  /** It is a folder, and the path does not say so. */
  | { readonly kind: "folder" }
  /** `fallback`: the file for such addresses may be sent instead. */
  | { readonly kind: "nothing"; readonly error: GatewayError; readonly fallback: boolean }
  /** Not to be remembered. */
  | { readonly kind: "failed"; readonly error: GatewayError };

export interface LookedUp {
  readonly found: Found;
  readonly looks: readonly Look[];
}

/** A file changed so shortly before it was read that it may have changed again in the same tick of its clock. */
const TOO_FRESH_NS = 1_000_000_000n;

/** One look-up; made for one path. */
export class LookUp {
  readonly #spec: StaticSpec;
  readonly #rules: FileRules;
  readonly #looks: Look[] = [];

  constructor(spec: StaticSpec, rules: FileRules) {
    this.#spec = spec;
    this.#rules = rules;
  }

  /** `path` is one below the root, decoded; one of a folder ends with a slash. Nothing is thrown. */
  async at(path: string): Promise<LookedUp> {
    return await this.#caught(path, () =>
      path.endsWith("/") ? this.#folder(path) : this.#fileOrFolder(path),
    );
  }

  /** The file that is sent instead of one that is not there: also because of what the client accepts. */
  async fallback(path: string): Promise<LookedUp> {
    return await this.#caught(path, async () => (await this.#file(path, "Accept")) ?? nothing(path, false));
  }

  async #caught(path: string, look: () => Promise<Found>): Promise<LookedUp> {
    try {
      return { found: await look(), looks: this.#looks };
    } catch (error) {
      const failure = error instanceof GatewayError ? error : fileError(this.#at(path), error);
      return { found: { kind: "failed", error: failure }, looks: [] };
    }
  }

  async #fileOrFolder(path: string): Promise<Found> {
    const stats = await lookAt(this.#at(path));
    this.#saw(this.#at(path), stampOf(stats));
    if (stats?.isFile() === true) return (await this.#file(path, null)) ?? nothing(path);
    if (stats?.isDirectory() !== true) return nothing(path);
    const opened = await openFolder(this.#at(path), this.#spec.root);
    if (opened === null || opened instanceof GatewayError) return refused(path, opened);
    closeFile(opened.fd);
    return { kind: "folder" };
  }

  async #folder(path: string): Promise<Found> {
    for (const name of this.#spec.index) {
      const stats = await lookAt(this.#at(path + name));
      this.#saw(this.#at(path + name), stampOf(stats));
      if (stats?.isFile() !== true) continue;
      const found = await this.#file(path + name, null);
      if (found !== null) return found;
    }
    return this.#spec.list ? await this.#list(path) : nothing(path);
  }

  async #list(path: string): Promise<Found> {
    const opened = await openFolder(this.#at(path), this.#spec.root);
    if (opened === null || opened instanceof GatewayError) {
      this.#saw(this.#at(path), "not listed");
      return refused(path, opened);
    }
    try {
      const page = await listFolder(this.#at(path), opened.fd, path, this.#spec.dotfiles);
      this.#saw(this.#at(path), trustedStamp(opened));
      const facts = { contentType: LISTING_TYPE, cacheControl: null, encoding: null, vary: null };
      const plain = new Representation(this.#at(path), opened.stats, page, facts);
      return { kind: "file", plain, encoded: [], encodings: [] };
    } finally {
      closeFile(opened.fd);
    }
  }

  /** Null where there is no file after all. `vary` is what the choice of this file depends on already. */
  async #file(path: string, vary: string | null): Promise<Found | null> {
    const { encodings } = this.#spec;
    const neighbours: StaticEncoding[] = [];
    for (const encoding of encodings) {
      const stats = await lookAt(this.#at(path + EXTENSIONS[encoding]));
      if (stats?.isFile() === true) neighbours.push(encoding);
      else this.#saw(this.#at(path + EXTENSIONS[encoding]), stampOf(stats));
    }
    const facts: FileFacts = {
      contentType: this.#rules.contentType(path),
      cacheControl: this.#rules.cacheControl(path),
      encoding: null,
      vary: neighbours.length === 0 ? vary : [vary, "Accept-Encoding"].filter(Boolean).join(", "),
    };
    const plain = await this.#represent(this.#at(path), facts);
    if (plain === null) return null;
    if (plain instanceof GatewayError) return refused(path, plain);
    const encoded: Representation[] = [];
    for (const encoding of neighbours) {
      const one = await this.#represent(this.#at(path + EXTENSIONS[encoding]), { ...facts, encoding });
      if (one instanceof Representation) encoded.push(one);
    }
    const sent = encoded.map(({ facts: { encoding } }) => encoding as StaticEncoding);
    return { kind: "file", plain, encoded, encodings: sent };
  }

  async #represent(file: string, facts: FileFacts): Promise<Representation | GatewayError | null> {
    const opened = await openFile(file, this.#spec.root);
    if (opened === null || opened instanceof GatewayError) {
      this.#saw(file, "not readable");
      return opened;
    }
    try {
      this.#saw(file, trustedStamp(opened));
      return new Representation(file, opened.stats, await wholeIfSmall(opened), facts);
    } finally {
      closeFile(opened.fd);
    }
  }

  #at(path: string): string {
    return this.#spec.root === "/" ? path : this.#spec.root + path;
  }

  /** What is seen last of a path counts. */
  #saw(path: string, stamp: string): void {
    const known = this.#looks.findIndex((look) => look.path === path);
    if (known >= 0) this.#looks.splice(known, 1);
    this.#looks.push({ path, stamp });
  }
}

const LISTING_TYPE = "text/html; charset=utf-8";

/** All of a small file; null for a large one, and for one that changes while it is read. */
async function wholeIfSmall({ fd, stats }: OpenFile): Promise<Buffer | null> {
  if (stats.size > SMALL_FILE_BYTES) return null;
  const size = Number(stats.size);
  const body = Buffer.allocUnsafeSlow(size);
  let length = 0;
  while (length < size) {
    const { bytesRead } = await read(fd, body, length, size - length, length);
    if (bytesRead === 0) return null;
    length += bytesRead;
  }
  return body;
}

/** Of a file that has just changed, a stamp that no look finds again: it is read anew. */
function trustedStamp({ stats }: OpenFile): string {
  const age = BigInt(Date.now()) * 1_000_000n - stats.ctimeNs;
  return age < TOO_FRESH_NS ? "changing" : stampOf(stats);
}

/** Whether everything is as it was. Nothing is thrown. */
export async function isUnchanged(looks: readonly Look[]): Promise<boolean> {
  try {
    for (const { path, stamp } of looks) {
      if (stampOf(await lookAt(path)) !== stamp) return false;
    }
    return true;
  } catch {
    return false;
  }
}

export function nothing(path: string, fallback = true): Found {
  return { kind: "nothing", error: new GatewayError("file_not_found", `no file for ${path}`), fallback };
}

function refused(path: string, error: GatewayError | null): Found {
  if (error === null) return nothing(path);
  const isTold = error.code === "file_outside_root" || error.code === "file_forbidden";
  return isTold ? { kind: "nothing", error, fallback: false } : { kind: "failed", error };
}
