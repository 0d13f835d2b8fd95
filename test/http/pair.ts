// A gateway in a process of its own, and the origin that it proxies to. Runs in tests.

import { TestGateway } from "../support/gateway.ts";
import { Client } from "./client.ts";
import { Origin } from "./origin.ts";

export interface PairOptions {
  /** More of the inside of the `server` section. */
  readonly server?: string;
  /** More routes beside the one to the origin, which is for everything; as YAML flow. */
  readonly routes?: string;
  /** More upstreams beside the origin; as YAML flow. */
  readonly backends?: string;
  /** More sections of the configuration. */
  readonly sections?: string;
}

export class Pair {
  readonly gateway: TestGateway;
  readonly origin: Origin;

  static async start(options: PairOptions = {}): Promise<Pair> {
    const { server = "", backends = "", routes = "", sections = "" } = options;
    const origin = await Origin.start();
    const upstreams = `backends: { origin: [{ host: 127.0.0.1, port: ${origin.port} }], ${backends} }\n`;
    const config = `${upstreams}routing: { all: { upstream: origin }, ${routes} }\n${sections}`;
    try {
      // A test that fails leaves its connections open: do not wait for them.
      const gateway = await TestGateway.start(config, { server: `shutdown_timeout: 1s, ${server}` });
      return new Pair(gateway, origin);
    } catch (error) {
      await origin.stop();
      throw error;
    }
  }

  private constructor(gateway: TestGateway, origin: Origin) {
    this.gateway = gateway;
    this.origin = origin;
  }

  get port(): number {
    return this.gateway.port;
  }

  connect(): Promise<Client> {
    return Client.connect(this.gateway.port);
  }

  async stop(): Promise<void> {
    await this.gateway.stop();
    await this.origin.stop();
  }
}
