// The hosts file of the system (/etc/hosts), read again when it has changed, and the names that mean this machine whatever
// DNS says. Control thread.

import { readFileSync } from "node:fs";
import { isAddress } from "../../core/ip.ts";
import { FileStamp } from "./file-stamp.ts";

const LOOPBACK: readonly string[] = ["127.0.0.1"];

export class HostsFile {
  readonly #path: string;
  readonly #stamp: FileStamp;
  #hosts: ReadonlyMap<string, readonly string[]> = new Map();

  constructor(path: string) {
    this.#path = path;
    this.#stamp = new FileStamp(path);
    this.#read();
  }

  /** Reads the file if it has changed. Returns whether it had. */
  refresh(): boolean {
    if (!this.#stamp.changed()) return false;
    this.#read();
    return true;
  }

  /** What a name in lower case means without DNS, or null. */
  addressesOf(name: string): readonly string[] | null {
    const own = this.#hosts.get(name) ?? null;
    if (name !== "localhost" && !name.endsWith(".localhost")) return own;
    // RFC 6761 section 6.3. Services of one's own machine often listen on IPv4 alone: ::1 would only bring errors.
    const v4 = own?.filter((address) => !address.includes(":")) ?? [];
    return v4.length > 0 ? v4 : (own ?? LOOPBACK);
  }

  #read(): void {
    let text = "";
    try {
      text = readFileSync(this.#path, "utf8");
    } catch {
      // A system without the file has no such names.
    }
    this.#hosts = parseHosts(text);
  }
}

/** Names in lower case, each with its addresses in the order of the file. Lines that make no sense are left out. */
export function parseHosts(text: string): Map<string, string[]> {
  const hosts = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (!isAddress(address)) continue;
    for (const written of names) {
      const name = written.toLowerCase().replace(/\.$/, "");
      const addresses = hosts.get(name);
      if (addresses === undefined) hosts.set(name, [address]);
      else if (!addresses.includes(address)) addresses.push(address);
    }
  }
  return hosts;
}
