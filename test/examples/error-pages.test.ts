// examples/error-pages, run as it is.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type Answer, ask } from "../http/client.ts";
import { Origin } from "../http/origin.ts";
import { TestGateway } from "../support/gateway.ts";

let origin: Origin;
let gateway: TestGateway;
before(async () => {
  origin = await Origin.start();
  const folder = fileURLToPath(new URL("../../examples/error-pages", import.meta.url));
  gateway = await TestGateway.startExample("error-pages", { BACKEND_PORT: `${origin.port}`, PAGES: folder });
});
after(async () => {
  await gateway.stop();
  await origin.stop();
});

async function get(path: string, accept: string): Promise<Answer> {
  const text = `GET ${path} HTTP/1.1\r\nHost: a.test\r\nAccept: ${accept}\r\n\r\n`;
  return (await ask(gateway.port, text)).answer;
}

it("has a page for what is not there, and JSON for programs", async () => {
  const { status, body } = await get("/nothing", "*/*");
  assert.equal(status, 404);
  assert.match(body, /<p>a\.test has no page \/nothing\.<\/p>/);
  assert.match(body, /margin: 10vh auto/);
  assert.match((await get("/nothing", "application/json")).body, /"code":"route_not_found"/);
});

it("has a page for errors of the backend, but not of the API", async () => {
  origin.answer = () => "HTTP/1.1 503 Down\r\nContent-Length: 2\r\n\r\nno";
  assert.match((await get("/app", "text/html")).body, /<title>503<\/title>/);
  assert.equal((await get("/api", "text/html")).body, "no");
});
