// A backend that can be killed and brought back, and fail its health checks or its exchanges, as a test tells it.

import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export class Origin {
  readonly name: string;
  /** Stays the same when it is brought back. */
  port = 0;
  /** Status of the answers to health checks (`/health`), and to everything else. */
  health = 200;
  status = 200;
  /** Health checks so far, and exchanges. */
  checked = 0;
  served = 0;
  #server: Server | null = null;

  static async start(name: string): Promise<Origin> {
    const origin = new Origin(name);
    await origin.start();
    return origin;
  }

  private constructor(name: string) {
    this.name = name;
  }

  async start(): Promise<void> {
    this.#server = createServer((request, response) => {
      const isCheck = request.url === "/health";
      if (isCheck) this.checked++;
      else this.served++;
      response.writeHead(isCheck ? this.health : this.status, { "content-length": this.name.length });
      response.end(this.name);
    }).listen(this.port, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = (this.#server.address() as AddressInfo).port;
  }

  /** As a process that is killed: nobody listens, and every connection is gone. */
  async kill(): Promise<void> {
    if (this.#server === null) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
    this.#server = null;
  }

  /** As an entry of `backends`, with its name as id; `more` is YAML flow. */
  entry(more = ""): string {
    return `{ id: ${this.name}, host: 127.0.0.1, port: ${this.port}, ${more} }`;
  }
}

/** A check that notices quickly. */
export function quickCheck(failures = 2): string {
  return `health_check: { path: /health, interval: 50ms, failures: ${failures} }`;
}

/** What answered so many requests, one after the other: the name of the backend, or the status of the gateway's own answer. */
export async function ask(port: number, count: number): Promise<string[]> {
  const answers: string[] = [];
  for (let i = 0; i < count; i++) {
    const response = await fetch(`http://127.0.0.1:${port}/${i}`);
    const body = await response.text();
    answers.push(/^[a-z]$/.test(body) ? body : String(response.status));
  }
  return answers;
}
