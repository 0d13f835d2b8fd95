// What the handler of websocket-handler.ts saw, and what the gateway counted.

import { TestGateway } from "../support/gateway.ts";
import { webSocketApp } from "./websocket-client.ts";

export type Seen = Readonly<Record<string, unknown>>;

export class SocketGateway {
  readonly gateway: TestGateway;
  readonly #admin: string;

  /** `app` is the inside of the app, `route` that of its route, `server` that of the server section. */
  static async start(app = "", route = "", server = ""): Promise<SocketGateway> {
    const config = `access_log: {}\nadmin: { host: 127.0.0.1, port: 0 }\n${webSocketApp(app, route)}`;
    const gateway = await TestGateway.start(config, { server, stdout: "pipe" });
    const { msg } = await gateway.logged((line) => line.msg.startsWith("admin API on "));
    return new SocketGateway(gateway, msg.slice("admin API on ".length));
  }

  private constructor(gateway: TestGateway, admin: string) {
    this.gateway = gateway;
    this.#admin = admin;
  }

  get port(): number {
    return this.gateway.port;
  }

  async get(path: string): Promise<string> {
    return await (await fetch(`http://127.0.0.1:${this.port}${path}`)).text();
  }

  async seen(id: string): Promise<Seen[]> {
    return JSON.parse(await this.get(`/seen?id=${id}`)) as Seen[];
  }

  /** Asks until the handler has seen something of that type. */
  async noted(type: string, id: string): Promise<Seen> {
    for (;;) {
      const found = (await this.seen(id)).find((one) => one["type"] === type);
      if (found !== undefined) return found;
    }
  }

  async admin(path: string): Promise<unknown> {
    return await (await fetch(`${this.#admin}${path}`)).json();
  }

  /** Of the VM that serves. */
  async vmPid(): Promise<number> {
    const { apps } = (await this.admin("/api/v1/apps")) as {
      apps: { vms: { pid: number; state: string }[] }[];
    };
    return apps[0]!.vms.find(({ state }) => state === "serving")!.pid;
  }

  /** Asks until it is so. */
  async counted(fits: (counts: Counts) => boolean): Promise<Counts> {
    for (;;) {
      const { stats } = (await this.admin("/api/v1/stats/server")) as { stats: { websockets: Counts } };
      const counts = stats.websockets;
      if (fits(counts)) return counts;
    }
  }

  async stop(): Promise<number | null> {
    return await this.gateway.stop();
  }
}

export interface Counts {
  readonly open: number;
  readonly messages_in: number;
  readonly messages_out: number;
  readonly over_limit: number;
}
