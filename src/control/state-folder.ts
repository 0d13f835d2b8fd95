// The folder in which the gateway keeps what must outlive it: secrets that it made itself. Control thread and CLI.

import { randomBytes } from "node:crypto";
import {
  chownSync,
  closeSync,
  fchownSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  type Stats,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import type { Identity } from "./privileges.ts";

/** What the state folder keeps, by the name of its file. */
export type SecretName = "admin-token" | "sticky-key";

/** Why the state folder cannot be used, in words for the operator. */
export class StateError extends Error {}

/** Of root that becomes another user: its own folder would be closed to that one. */
const SERVICE_FOLDER = "/var/lib/sluice";

/** What somebody else would have to guess. */
const SECRET_BYTES = 32;
const LEAST_CHARACTERS = 16;

export class StateFolder {
  readonly path: string;
  readonly #owner: Identity | null;

  /** `owner` is whom the folder and what is in it belong to, where that is not who runs this. */
  constructor(path: string, owner: Identity | null = null) {
    this.path = path;
    this.#owner = owner;
  }

  /** `$STATE_DIRECTORY` as systemd sets it, else the user's own folder for state. Nothing is made yet. */
  static of(env: NodeJS.ProcessEnv, owner: Identity | null = null): StateFolder {
    const [given] = (env["STATE_DIRECTORY"] ?? "").split(":");
    if (given) return new StateFolder(resolve(given), owner);
    const home = env["XDG_STATE_HOME"] ?? "";
    // The XDG specification wants a path that is not absolute to be ignored.
    if (isAbsolute(home)) return new StateFolder(join(home, "sluice"), owner);
    if (owner !== null) return new StateFolder(SERVICE_FOLDER, owner);
    return new StateFolder(join(homedir(), ".local/state/sluice"));
  }

  /** Where the secret of that name is kept. */
  fileOf(name: SecretName): string {
    return join(this.path, name);
  }

  /** The secret of that name, or null where none was made yet. */
  find(name: SecretName): string | null {
    const file = this.fileOf(name);
    let descriptor: number;
    try {
      descriptor = openSync(file, "r");
    } catch (error) {
      if (["ENOENT", "ENOTDIR"].includes(codeOf(error))) return null;
      throw new StateError(`Cannot read ${JSON.stringify(file)}: ${codeOf(error)}`);
    }
    try {
      refuseShared(file, fstatSync(descriptor), this.#owner);
      const secret = readFileSync(descriptor, "utf8").trim();
      if (secret.length >= LEAST_CHARACTERS) return secret;
      throw new StateError(
        `Cannot use the secret in ${JSON.stringify(file)}: expected at least ${LEAST_CHARACTERS} characters. Delete the file to get a new one`,
      );
    } finally {
      closeSync(descriptor);
    }
  }

  /** The secret of that name; made where there was none. Of several processes that make it at once, one wins. */
  secret(name: SecretName): string {
    const found = this.find(name);
    if (found !== null) return found;
    const file = this.fileOf(name);
    // Written whole under another name first: nobody ever reads half a secret.
    const draft = `${file}.${randomBytes(6).toString("hex")}`;
    try {
      this.#makeFolder();
      this.#write(draft, `${randomBytes(SECRET_BYTES).toString("base64url")}\n`);
    } catch (error) {
      throw new StateError(
        `Cannot make ${JSON.stringify(file)}: ${codeOf(error)}: expected a folder that can be written. STATE_DIRECTORY names another`,
      );
    }
    try {
      linkSync(draft, file);
    } catch (error) {
      if (codeOf(error) !== "EEXIST")
        throw new StateError(`Cannot make ${JSON.stringify(file)}: ${codeOf(error)}`);
    } finally {
      rmSync(draft, { force: true });
    }
    return this.secret(name);
  }

  #makeFolder(): void {
    const first = mkdirSync(this.path, { recursive: true, mode: 0o700 });
    if (first === undefined || this.#owner === null || !isRoot()) return;
    const { uid, gid } = this.#owner;
    for (let made = this.path; made.length >= first.length; made = dirname(made)) chownSync(made, uid, gid);
  }

  #write(file: string, text: string): void {
    const descriptor = openSync(file, "wx", 0o600);
    try {
      if (this.#owner !== null && isRoot()) fchownSync(descriptor, this.#owner.uid, this.#owner.gid);
      writeFileSync(descriptor, text);
    } finally {
      closeSync(descriptor);
    }
  }
}

/** A secret that others may know is none. Windows keeps no such modes. */
function refuseShared(file: string, { mode, uid }: Stats, owner: Identity | null): void {
  const user = owner?.uid ?? process.geteuid?.();
  if (user === undefined) return;
  const shown = JSON.stringify(file);
  if (uid !== user) {
    throw new StateError(
      `Cannot use ${shown}: it belongs to user ${uid}, expected user ${user}, who runs this`,
    );
  }
  if ((mode & 0o077) !== 0) {
    const found = (mode & 0o777).toString(8).padStart(4, "0");
    throw new StateError(
      `Cannot use ${shown}: others may read it (mode ${found}), expected 0600. Delete it to get a new secret, or chmod 600 where nobody else has read it`,
    );
  }
}

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
