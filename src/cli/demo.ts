// The demo of `sluice run` without a configuration: two small backends in this process and a gateway before them.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";

// The same ending as this file: source, or compiled.
const HANDLER = fileURLToPath(new URL(`./demo-handler${import.meta.url.slice(-3)}`, import.meta.url));

export class Demo {
  readonly #backends: readonly Server[];
  /** The configuration of the gateway, as YAML. */
  readonly config: string;

  static async start(): Promise<Demo> {
    return new Demo(await Promise.all([startBackend("one"), startBackend("two")]));
  }

  private constructor(backends: readonly Server[]) {
    this.#backends = backends;
    const entries = backends.map((server, i) => {
      const { port } = server.address() as AddressInfo;
      return `    - { id: ${i === 0 ? "one" : "two"}, host: 127.0.0.1, port: ${port} }`;
    });
    this.config = `server: { host: 127.0.0.1, port: 8080 }
backends:
  demo:
${entries.join("\n")}
apps:
  handler: { entry: ${JSON.stringify(HANDLER)}, errors: detailed }
routing:
  all: { path: /, upstream: demo, load_balancer: round_robin }
  hello:
    path: exact:/hello
    respond: { body: "Hello from Sluice itself\\n", headers: { Content-Type: text/plain } }
  handler: { path: /handler, app: handler }
  old: { path: /old, redirect: { to: "{scheme}://{host}/", status: 301 } }
`;
  }

  banner(address: string): string {
    return `
  Sluice is running. Open ${address}/ in a browser, or try

    curl ${address}/          a page from one of two backends, in turn
    curl ${address}/handler   a handler in TypeScript, in a process of its own
    curl ${address}/hello     a response of the gateway itself
    curl -N ${address}/clock  a stream of server-sent events
    curl -d hi ${address}/echo  what a backend receives
    curl -i ${address}/old    a redirect

  A configuration of your own: sluice run -c sluice.yaml. Ctrl-C stops.

`;
  }

  stop(): void {
    for (const server of this.#backends) {
      server.close();
      server.closeAllConnections();
    }
  }
}

function startBackend(name: string): Promise<Server> {
  const server = createServer((request, response) => serve(name, request, response));
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}

function serve(name: string, request: IncomingMessage, response: ServerResponse): void {
  switch (request.url?.split("?")[0]) {
    case "/":
      response.setHeader("Content-Type", "text/html; charset=utf-8");
      response.end(page(name));
      break;
    case "/clock":
      serveClock(response);
      break;
    case "/echo":
      response.setHeader("Content-Type", "application/json");
      serveEcho(name, request, response);
      break;
    default:
      response.statusCode = 404;
      response.end(`backend ${name} has no ${request.url}\n`);
  }
}

function serveClock(response: ServerResponse): void {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  const tick = () => response.write(`data: ${new Date().toISOString()}\n\n`);
  tick();
  const timer = setInterval(tick, 1000);
  response.on("close", () => clearInterval(timer));
}

async function serveEcho(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const { method, url, headers } = request;
  const body = Buffer.concat(pieces).toString();
  response.end(`${JSON.stringify({ backend: name, method, url, headers, body }, null, 2)}\n`);
}

function page(name: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Sluice</title>
<style>
  body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 10vh auto; padding: 0 1rem; }
  strong { color: #06c; }
</style>
<h1>Sluice is running</h1>
<p>This page came through the gateway from backend <strong>${name}</strong>. Reload it: the other one answers.</p>
<p>A clock, as server-sent events: <code id="clock"></code></p>
<ul>
  <li><a href="/handler">/handler</a> is served by a handler in TypeScript, in a process of its own</li>
  <li><a href="/hello">/hello</a> is a response of the gateway itself</li>
  <li><a href="/echo">/echo</a> shows what a backend receives</li>
  <li><a href="/old">/old</a> is a redirect to this page</li>
</ul>
<script>
  new EventSource("/clock").onmessage = (event) => { document.getElementById("clock").textContent = event.data; };
</script>
</html>
`;
}
