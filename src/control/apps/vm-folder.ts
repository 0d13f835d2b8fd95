// The folder of a gateway's VMs: the program that they run, the bundles of their apps, the sockets of their links. Nobody
// else may look into it. Control thread.

import { randomBytes } from "node:crypto";
import { chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundle } from "./bundler.ts";
import type { User } from "./isolation.ts";

const ENTRY = fileURLToPath(new URL(`../../vm/entry${import.meta.url.slice(-3)}`, import.meta.url));

export class VmFolder {
  readonly path: string;
  /** What VMs run. */
  readonly program: string;

  static async make(): Promise<VmFolder> {
    const { code } = await bundle(ENTRY);
    const folder = new VmFolder(mkdtempSync(join(tmpdir(), "sluice-vms-")));
    writeFileSync(folder.program, code, { mode: 0o600 });
    return folder;
  }

  private constructor(path: string) {
    this.path = path;
    this.program = join(path, "vm.mjs");
  }

  /** Writes a file that VMs of that user may read. */
  write(name: string, bytes: Uint8Array, user: User | null): string {
    const path = join(this.path, name);
    writeFileSync(path, bytes, { mode: 0o600 });
    if (user !== null) {
      for (const own of [this.path, this.program, path]) chownSync(own, user.uid, user.gid);
    }
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
}
