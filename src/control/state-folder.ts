// The folder in which the gateway keeps what must outlive it: secrets that it made itself. Control thread and CLI.

import { randomBytes } from "node:crypto";
import {
  closeSync,
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
import { isAbsolute, join, resolve } from "node:path";

/** What the state folder keeps, by the name of its file. */
export type SecretName = "admin-token" | "sticky-key";

/** Why the state folder cannot be used, in words for the operator. */
export class StateError extends Error {}

/** What somebody else would have to guess. */
const SECRET_BYTES = 32;
const LEAST_CHARACTERS = 16;

export class StateFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** `$STATE_DIRECTORY` as systemd sets it, else the user's own folder for state. Nothing is made yet. */
  static of(env: NodeJS.ProcessEnv): StateFolder {
    const [given] = (env["STATE_DIRECTORY"] ?? "").split(":");
    if (given) return new StateFolder(resolve(given));
    const home = env["XDG_STATE_HOME"] ?? "";
    // The XDG specification wants a path that is not absolute to be ignored.
    return new StateFolder(join(isAbsolute(home) ? home : join(homedir(), ".local/state"), "sluice"));
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
      refuseShared(file, fstatSync(descriptor));
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
      mkdirSync(this.path, { recursive: true, mode: 0o700 });
      writeFileSync(draft, `${randomBytes(SECRET_BYTES).toString("base64url")}\n`, {
        flag: "wx",
        mode: 0o600,
      });
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
}

/** A secret that others may know is none. Windows keeps no such modes. */
function refuseShared(file: string, { mode, uid }: Stats): void {
  const user = process.geteuid?.();
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

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
