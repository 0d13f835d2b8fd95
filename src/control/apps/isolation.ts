// What VMs are kept in, beside Node's permissions, which are a seat belt and no wall: namespaces of their own, or another
// user. Found out once, by trying. Control thread. docs/threat-model.md says what each keeps out.

import { spawnSync } from "node:child_process";
import type { AppPlan } from "../../config/snapshot.ts";

/** What is in force for the VMs of an app. */
export type Isolation = "namespaces" | "user" | "none";

/** A command to start, in front of the program and its arguments, and as whom. */
export interface Wrapping {
  readonly isolation: Isolation;
  readonly prefix: readonly string[];
  /** Null for the user of the gateway. */
  readonly user: User | null;
}

export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** Everything but what is asked for is out of reach: other processes, and every network interface. */
const NAMESPACES = ["unshare", "--user", "--map-current-user", "--pid", "--ipc", "--fork", "--kill-child"];
/** A /proc without other processes. Where parts of /proc are hidden (by systemd, by Docker), the kernel allows none. */
const OWN_PROC = "--mount-proc";
/** Root of its own namespace has all capabilities there, which are of use to attackers of the kernel only. */
const NO_CAPABILITIES = ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--"];
/** A VM goes when the gateway goes, also one that is in an endless loop. */
const WITH_ITS_PARENT = ["setpriv", "--pdeathsig", "KILL", "--"];
/** Whom Linux calls nobody. */
const NOBODY = { uid: 65_534, gid: 65_534 };

export class IsolationError extends Error {}

export class Isolations {
  /** Whether the command works, by its text. */
  readonly #works = new Map<string, boolean>();
  readonly #runAs: User | null;

  /** `runAs` is whom the gateway becomes once its ports are open, or null. */
  constructor(runAs: User | null) {
    this.#runAs = runAs;
  }

  /** Throws where what the app asks for cannot be had. */
  wrappingFor({ isolation, permissions, rules }: AppPlan): Wrapping {
    const isRoot = process.geteuid?.() === 0;
    const user = isRoot ? this.#runAs : null;
    const dying = this.#canRun(WITH_ITS_PARENT) ? WITH_ITS_PARENT : [];
    const net = permissions.net ? [] : ["--net"];
    const mayBe = (wanted: AppPlan["isolation"]) => isolation === "auto" || isolation === wanted;
    for (const proc of mayBe("namespaces") ? [[OWN_PROC], []] : []) {
      const prefix = [...dying, ...NAMESPACES, ...proc, ...net, "--", ...NO_CAPABILITIES];
      if (this.#canRun(prefix)) return { isolation: "namespaces", prefix, user };
    }
    // A gateway that gives root up could not start the next VM as somebody else.
    if (mayBe("user") && isRoot && this.#runAs === null)
      return { isolation: "user", prefix: dying, user: NOBODY };
    if (isolation === "auto" || isolation === "none") return { isolation: "none", prefix: dying, user };
    const why =
      isolation === "namespaces"
        ? `"${NAMESPACES[0]}" cannot make them on this system`
        : "only a gateway that stays root (without server.run_as) can start processes as another user";
    throw new IsolationError(`Cannot keep app "${rules.name}" in isolation "${isolation}": ${why}`);
  }

  #canRun(prefix: readonly string[]): boolean {
    const key = prefix.join(" ");
    let works = this.#works.get(key);
    if (works === undefined) {
      works =
        spawnSync(prefix[0]!, [...prefix.slice(1), "true"], { stdio: "ignore", timeout: 5000 }).status === 0;
      this.#works.set(key, works);
    }
    return works;
  }
}
