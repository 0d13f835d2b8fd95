// A port of this machine that takes no connection and refuses none, as a host behind a silent firewall.

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { RawConnection } from "./raw.ts";

// Listens and never accepts: its event loop stands still.
const LISTENER = `
  const { parentPort } = require("node:worker_threads");
  const server = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
`;

export class Blackhole {
  readonly port: number;
  readonly #worker: Worker;
  readonly #waiting: readonly RawConnection[];

  static async start(): Promise<Blackhole> {
    const worker = new Worker(LISTENER, { eval: true });
    const [port] = (await once(worker, "message")) as [number];
    // Linux lets one more wait than the backlog says. What comes after these two gets no answer to its SYN.
    const waiting = [await RawConnection.connect(port), await RawConnection.connect(port)];
    return new Blackhole(port, worker, waiting);
  }

  private constructor(port: number, worker: Worker, waiting: readonly RawConnection[]) {
    this.port = port;
    this.#worker = worker;
    this.#waiting = waiting;
  }

  async stop(): Promise<void> {
    for (const connection of this.#waiting) connection.destroy();
    await this.#worker.terminate();
  }
}
