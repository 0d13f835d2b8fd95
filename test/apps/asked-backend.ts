// A backend that tells what it was asked, for tests of `env.<upstream>.fetch()`. Runs in the test process.

import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What it answers with, as JSON. */
export interface Told {
  readonly backend: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export class AskedBackend {
  readonly requests: IncomingMessage[] = [];
  readonly #server: Server;

  /** `serve` takes a request, or returns false to have it told of. */
  static async start(
    name: string,
    serve: (request: IncomingMessage, response: ServerResponse) => unknown = () => false,
  ): Promise<AskedBackend> {
    const backend = new AskedBackend(name, serve);
    backend.#server.listen(0, "127.0.0.1");
    await once(backend.#server, "listening");
    return backend;
  }

  private constructor(name: string, serve: (request: IncomingMessage, response: ServerResponse) => unknown) {
    this.#server = createServer(async (request, response) => {
      this.requests.push(request);
      if (serve(request, response) !== false) return;
      let body = "";
      for await (const piece of request.setEncoding("latin1")) body += piece;
      const { method, url, headers } = request;
      response.setHeader("Content-Type", "application/json");
      response.setHeader("Set-Cookie", ["a=1", "b=2"]);
      response.end(JSON.stringify({ backend: name, method, url, headers, body }));
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** In the configuration. */
  get place(): string {
    return `{ host: 127.0.0.1, port: ${this.port} }`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
