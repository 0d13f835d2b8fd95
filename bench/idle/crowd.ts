// The parent's side of clients.ts: a child process on the load's cores that holds as many connections as it is told.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { pinned } from "../lib/server.ts";
import { PINNED_NODE } from "../lib/sluice.ts";
import type { Held, Hold } from "./clients.ts";

export interface Crowd extends Disposable {
  /** Opens what is missing of `connections`; resolves when each has had its one request answered. */
  hold(connections: number): Promise<void>;
}

export function startCrowd(port: number, cores: string): Crowd {
  const [command = "", ...args] = pinned(cores, [PINNED_NODE, join(import.meta.dirname, "clients.ts")]);
  const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  return {
    async hold(connections) {
      child.send({ port, connections } satisfies Hold);
      const [held]: [Held] = (await once(child, "message")) as [Held];
      if (held.connections !== connections || held.lost > 0) {
        throw new Error(`Cannot hold ${connections} connections: ${held.lost} were lost`);
      }
    },
    [Symbol.dispose]: () => child.kill(),
  };
}
