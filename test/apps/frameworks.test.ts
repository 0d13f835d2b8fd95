// Apps of other frameworks, unchanged, as the entry: one API, one suite over all of them.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { TestGateway } from "../support/gateway.ts";

const FRAMEWORKS = ["hono", "h3-v2", "h3-v1", "itty-router", "function"];

const entryOf = (name: string) => fileURLToPath(new URL(`./frameworks/${name}.ts`, import.meta.url));

describe("apps of other frameworks", () => {
  let gateway: TestGateway;
  const urlOf = (name: string, path: string) => `http://127.0.0.1:${gateway.port}/${name}${path}`;

  before(async () => {
    const apps = FRAMEWORKS.map((name) => `  ${name}: { entry: ${entryOf(name)} }`);
    const routes = FRAMEWORKS.map(
      (name) => `  ${name}: { path: /${name}, strip_prefix: true, app: ${name} }`,
    );
    gateway = await TestGateway.start(`apps:\n${apps.join("\n")}\nrouting:\n${routes.join("\n")}\n`);
  });
  after(() => gateway.stop());

  for (const name of FRAMEWORKS) {
    describe(name, () => {
      const url = (path: string) => urlOf(name, path);

      it("routes by path and query, and sets header fields", async () => {
        const response = await fetch(url("/hello/w%C3%B6rld?q=1"));
        assert.equal(response.status, 200);
        assert.match(response.headers.get("content-type") ?? "", /^application\/json/);
        assert.equal(response.headers.get("x-framework"), name);
        assert.equal(((await response.json()) as { q: string }).q, "1");
        const plain = await fetch(url("/hello/world?q=1"));
        assert.deepEqual(await plain.json(), { hello: "world", q: "1" });
      });

      it("reads a body of JSON", async () => {
        const sent = { list: [1, "zwei", null], text: "ä".repeat(50_000) };
        const response = await fetch(url("/echo"), {
          method: "POST",
          body: JSON.stringify(sent),
          headers: { "Content-Type": "application/json" },
        });
        assert.equal(response.status, 201);
        assert.deepEqual(await response.json(), sent);
      });

      it("reads a body that comes in pieces", async () => {
        const pieces = Array.from({ length: 20 }, (_, i) => Buffer.alloc(10_000, i));
        const response = await fetch(url("/length"), {
          method: "POST",
          body: ReadableStream.from(pieces),
          duplex: "half",
        });
        assert.equal(await response.text(), "200000");
      });

      it("streams a response", async () => {
        const response = await fetch(url("/stream"));
        assert.equal(response.status, 200);
        assert.equal(response.headers.get("content-length"), null);
        assert.equal(await response.text(), "one two three");
      });

      it("has its own 404", async () => {
        assert.equal((await fetch(url("/missing"))).status, 404);
      });
    });
  }

  it("hono: events, a form with a file, and its own page for an error", async () => {
    const events = await fetch(urlOf("hono", "/events"));
    assert.equal(events.headers.get("content-type"), "text/event-stream");
    assert.equal(await events.text(), "event: number\ndata: 1\n\nevent: number\ndata: 2\n\n");
    const form = new FormData();
    form.set("name", "ä");
    form.set("file", new File(["inside"], "a.txt"));
    const sent = await fetch(urlOf("hono", "/form"), { method: "POST", body: form });
    assert.deepEqual(await sent.json(), { name: "ä", file: "a.txt inside" });
    const failed = await fetch(urlOf("hono", "/throw"));
    assert.deepEqual([failed.status, await failed.text()], [500, "Internal Server Error"]);
  });
});
