// A gateway in a process of its own, and the origin that it proxies to. Runs in tests.

import { type GatewayOptions, TestGateway } from "../support/gateway.ts";
import { Client } from "./client.ts";
import { Origin } from "./origin.ts";

export interface PairOptions extends GatewayOptions {
  /** More routes beside the one to the origin, which is for everything; as YAML flow. */
  readonly routes?: string;
  /** More sections of the configuration. */
  readonly sections?: string;
}

export class Pair {
  readonly gateway: TestGateway;
  readonly origin: Origin;

  static async start({ routes = "", sections = "", ...options }: PairOptions = {}): Promise<Pair> {
    const origin = await Origin.start();
    const backends = `backends: { origin: [{ host: 127.0.0.1, port: ${origin.port} }] }\n`;
    const config = `${backends}routing: { all: { upstream: origin }, ${routes} }\n${sections}`;
    try {
      return new Pair(await TestGateway.start(config, options), origin);
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
