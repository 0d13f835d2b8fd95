// Backends `a`, `b`, … that do as a test says, a configuration for them, and requests to see who answers. Runs in tests.

import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { TestContext } from "node:test";
import { type Answer, ask } from "../http/client.ts";

/** What becomes of a request at a backend. */
export type Deed = (response: ServerResponse, name: string) => void;

/** Answers with its name, and that status. */
export function answers(status = 200): Deed {
  return (response, name) => {
    response.writeHead(status, { "content-length": name.length });
    response.end(name);
  };
}

/** Takes the request and closes. */
export const closes: Deed = (response) => {
  response.socket?.destroy();
};

/** Closes in the middle of the body of a good response. */
export const truncates: Deed = (response) => {
  response.writeHead(200, { "content-length": 10 });
  response.write("half", () => response.socket?.destroy());
};

/** Talks something else than HTTP. */
export const talksRubbish: Deed = (response) => {
  response.socket?.write("\u0000\u0001 no response\r\n\r\n");
};

/** Never answers. */
export const saysNothing: Deed = () => {};

export class NamedOrigin {
  readonly name: string;
  /** Stays the same when it is brought back. */
  port = 0;
  deed: Deed = answers();
  /** Requests so far. */
  served = 0;
  /** The newest request. */
  last: IncomingMessage | null = null;
  #server: Server | null = null;
  /** Those of WebSockets too, which are none of the server's any more. */
  readonly #sockets = new Set<Socket>();

  constructor(name: string) {
    this.name = name;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      this.served++;
      this.last = request;
      this.deed(response, this.name);
    });
    // Connections are the gateway's to close.
    server.keepAliveTimeout = 0;
    server.on("upgrade", (request: IncomingMessage, socket) => {
      this.served++;
      this.last = request;
      socket.on("error", () => socket.destroy());
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${request.headers.upgrade}\r\nX-Backend: ${this.name}\r\n\r\n`,
      );
    });
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    server.listen(this.port, "127.0.0.1");
    await once(server, "listening");
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  /** As a process that is killed: nobody listens, and every connection is gone. */
  async kill(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    const closed = once(server, "close");
    server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** As an entry of `backends`, with its name as id; `more` is YAML flow. */
  entry(more = ""): string {
    return `{ id: ${this.name}, host: 127.0.0.1, port: ${this.port}, ${more} }`;
  }
}

/** One for each letter, for the time of a test. */
export async function origins(t: TestContext, names: string): Promise<NamedOrigin[]> {
  const made = [...names].map((name) => new NamedOrigin(name));
  await Promise.all(made.map((origin) => origin.start()));
  t.after(() => Promise.all(made.map((origin) => origin.kill())));
  return made;
}

/** A port of 127.0.0.1 that refuses connections, as an entry of `backends`. */
export function refusing(id: string): string {
  return `{ id: ${id}, host: 127.0.0.1, port: 1 }`;
}

let upstreams = 0;

/**
 * One route to those backends, by turns. The upstream has a name that no other test gave one: what they did does not
 * count. `rules` are those of the upstream, `route` is the inside of the route, both YAML flow; `more` is other sections.
 */
export function configOf(
  backends: ReadonlyArray<NamedOrigin | string>,
  { rules = "", route = "", more = "" } = {},
): string {
  const name = `u${++upstreams}`;
  const entries = backends.map((backend) => (typeof backend === "string" ? backend : backend.entry()));
  const balancer = route.includes("load_balancer") ? "" : "load_balancer: round_robin, ";
  return `backends: { ${name}: [${entries.join(", ")}] }
upstreams: { ${name}: { ${rules} } }
routing: { all: { upstream: ${name}, ${balancer}${route} } }
${more}
`;
}

/** A request on a connection of its own. `fields` are whole lines. */
export async function get(port: number, fields = "", target = "/"): Promise<Answer> {
  const { answer } = await ask(port, `GET ${target} HTTP/1.1\r\nHost: test\r\n${fields}\r\n`);
  return answer;
}

/** Who answered: the name of the backend, or the status where that was none of theirs or not 200. */
export function whoOf({ status, body }: Answer): string {
  return status === 200 && /^[a-z]$/.test(body) ? body : String(status);
}

/** Who answered so many requests, one after the other, each on a connection of its own. */
export async function whoAnswers(port: number, count: number, fields = "", target = "/"): Promise<string[]> {
  const seen: string[] = [];
  for (let i = 0; i < count; i++) seen.push(whoOf(await get(port, fields, target)));
  return seen;
}

/** The code of an error of the gateway itself. */
export function codeOf({ body }: Answer): string {
  return (JSON.parse(body) as { error: { code: string } }).error.code;
}

/** The values of a field. */
export function valuesIn({ fields }: Answer, name: string): string[] {
  return fields.filter(([own]) => own.toLowerCase() === name).map(([, value]) => value);
}
