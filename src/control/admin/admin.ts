// The admin API from one configuration to the next: none, one, or over to another address. Control thread.

import type { AdminSpec } from "../../config/compile.ts";
import { quote } from "../../config/problem.ts";
import type { Log } from "../log.ts";
import type { StateFolder } from "../state-folder.ts";
import type { AdminServer } from "./server.ts";
import type { GatewayView } from "./view.ts";

/** Everything that could fail is done: either of the two ends the change. */
export interface AdminChange {
  commit(): Promise<void>;
  discard(): Promise<void>;
}

export class Admin {
  readonly #view: GatewayView;
  readonly #folder: StateFolder;
  readonly #log: Log;
  #server: AdminServer | null = null;

  constructor(view: GatewayView, folder: StateFolder, log: Log) {
    this.#view = view;
    this.#folder = folder;
    this.#log = log;
  }

  /** What is listened on, or null where there is no admin API. */
  get address(): AdminServer["address"] | null {
    return this.#server?.address ?? null;
  }

  /**
   * Opens what `spec` asks for; until `commit` the one before goes on, and on the same address it keeps its connections.
   * Rejects with an error in words where that cannot be: then nothing has changed.
   */
  async prepare(spec: AdminSpec | null): Promise<AdminChange> {
    const before = this.#server;
    if (spec === null) return this.#change(null, async () => undefined);
    if (before !== null && !before.serves(spec) && before.address.port === spec.port) {
      // Where one address stands for the other, the new one could not be opened before the old one is closed.
      throw new Error(
        `Cannot go over to admin.host ${quote(spec.host)} while ${before.address.host} is listened on: expected another admin.port, or a restart`,
      );
    }
    const token = spec.token ?? (spec.open ? null : this.#folder.secret("admin-token"));
    if (before?.serves(spec)) {
      const configure = before.prepare(spec, token);
      return { commit: async () => configure(), discard: async () => undefined };
    }
    // Fastify takes 85 ms and 15 MB to load: only who asks for the admin API pays.
    const { AdminServer } = await import("./server.ts");
    const next = await AdminServer.start(spec, this.#view, token, this.#log);
    return this.#change(next, () => next.close());
  }

  async close(): Promise<void> {
    await this.#server?.close();
    this.#server = null;
  }

  #change(next: AdminServer | null, discard: () => Promise<void>): AdminChange {
    const commit = async () => {
      const before = this.#server;
      this.#server = next;
      if (next !== null) this.#log.info(`admin API on ${urlOf(next.address)}`);
      await before?.close();
    };
    return { commit, discard };
  }
}

function urlOf({ host, port }: AdminServer["address"]): string {
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
