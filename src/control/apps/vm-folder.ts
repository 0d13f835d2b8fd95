// The folder of a gateway's VMs that run as one user: the program that they run, the bundles of their apps, the sockets of
// their links. Nobody else may look into it. Control thread.

import { randomBytes } from "node:crypto";
import { chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundle } from "./bundler.ts";
import { ownFolder, removeOrphans } from "./folder-owner.ts";
import type { User } from "./isolation.ts";

const ENTRY = fileURLToPath(new URL(`../../vm/entry${import.meta.url.slice(-3)}`, import.meta.url));
const PROGRAM = "vm.mjs";

const PREFIX = "sluice-vms-";

export class VmFolder {
  readonly path: string;
  /** What VMs run. */
  readonly program: string;

  readonly #user: User | null;

  /** Null is the user of the gateway. Removes what gateways left that were killed. */
  static async make(user: User | null): Promise<VmFolder> {
    const { code } = await bundle(ENTRY);
    const users = [process.geteuid?.() ?? -1, ...(user === null ? [] : [user.uid])];
    removeOrphans(tmpdir(), PREFIX, users);
    const folder = new VmFolder(mkdtempSync(join(tmpdir(), PREFIX)), user);
    ownFolder(folder.path);
    folder.#give(folder.path);
    folder.write(PROGRAM, code);
    return folder;
  }

  private constructor(path: string, user: User | null) {
    this.path = path;
    this.program = join(path, PROGRAM);
    this.#user = user;
  }

  /** Writes a file that the VMs may read. */
  write(name: string, bytes: Uint8Array): string {
    const path = join(this.path, name);
    writeFileSync(path, bytes, { mode: 0o600 });
    this.#give(path);
    return path;
  }

  /** A path that nobody can guess. */
  socketPath(): string {
    return join(this.path, `${randomBytes(16).toString("hex")}.sock`);
  }

  delete(...paths: readonly string[]): void {
    for (const path of paths) rmSync(path, { force: true });
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  #give(path: string): void {
    if (this.#user !== null) chownSync(path, this.#user.uid, this.#user.gid);
  }
}
