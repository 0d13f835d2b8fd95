// `env` of a handler: variables, secrets and upstreams.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { it } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { writeApp } from "./write-app.ts";

it("has variables and secrets as plain text, and an upstream by its name", async () => {
  const entry = writeApp(`
    export default (request, env) =>
      Response.json({ env: { ...env, api: undefined }, api: typeof env.api.fetch, process: process.env });
  `);
  const secret = join(dirname(entry), "token");
  writeFileSync(secret, "two\nlines\n");
  const gateway = await TestGateway.start(`
backends: { api: [{ host: 127.0.0.1, port: 9 }] }
apps: { a: { entry: ${entry}, env: { GREETING: hi, EMPTY: "" }, secrets: { TOKEN: ${secret} }, upstreams: [api] } }
routing: { all: { app: a } }`);
  const response = await fetch(`http://127.0.0.1:${gateway.port}/`);
  assert.deepEqual(await response.json(), {
    env: { GREETING: "hi", EMPTY: "", TOKEN: "two\nlines" },
    api: "function",
    process: {},
  });
  await gateway.stop();
});
