// A gateway in a process of its own, and the origin that it proxies to. Runs in tests.

import { type GatewayOptions, proxyTo, TestGateway } from "../support/gateway.ts";
import { Client } from "./client.ts";
import { Origin } from "./origin.ts";

export class Pair {
  readonly gateway: TestGateway;
  readonly origin: Origin;

  /** One route for everything; `more` is the inside of the route, `extra` more sections, as YAML. */
  static async start({ more = "", extra = "", ...options }: PairOptions = {}): Promise<Pair> {
    const origin = await Origin.start();
    return new Pair(await TestGateway.start(proxyTo(origin.port, more) + extra, options), origin);
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

export interface PairOptions extends GatewayOptions {
  readonly more?: string;
  readonly extra?: string;
}
