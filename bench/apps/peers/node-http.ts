// `node node-http.ts PORT`: the handler as a server of node:http.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

const server = createServer((request, response) => {
  if (request.method === "POST") return echo(request, response);
  const { pathname } = new URL(request.url ?? "", "http://localhost");
  send(response, { hello: "world", path: pathname });
});
server.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 4096 });

function echo(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => send(response, JSON.parse(Buffer.concat(chunks).toString())));
}

function send(response: ServerResponse, value: unknown): void {
  const body = JSON.stringify(value);
  response
    .writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) })
    .end(body);
}
