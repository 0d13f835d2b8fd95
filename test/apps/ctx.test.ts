// `ctx` of a handler: who the client is, the id of the request, and what goes on beside the exchange.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { request as requestOverTls } from "node:https";
import { after, before, describe, it } from "node:test";
import { makeCertificate, makeCertificates, type TestCertificates } from "../support/certificates.ts";
import { TestGateway } from "../support/gateway.ts";
import { AskedBackend } from "./asked-backend.ts";
import { writeApp } from "./write-app.ts";

const HANDLER = `
const vm = crypto.randomUUID();
export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    switch (pathname) {
      case "/client":
        return Response.json({ ...ctx.client, again: ctx.client === ctx.client });
      case "/id":
        console.log("said by " + ctx.requestId);
        if (searchParams.has("throw")) throw new Error("it fails");
        return new Response(ctx.requestId);
      case "/wait":
        ctx.waitUntil(
          (async () => {
            await env.api.fetch("/hold");
            const response = await env.api.fetch("/told");
            console.log("waited", JSON.stringify((await response.json()).headers));
          })(),
        );
        return new Response("at once");
      case "/detached":
        env.api.fetch("/hold").then(async () => {
          const response = await env.api.fetch("/told");
          console.log("detached", JSON.stringify((await response.json()).headers));
        });
        return new Response("at once");
      case "/rejected":
        ctx.waitUntil(Promise.reject(new Error("of no avail")));
        return new Response(ctx.requestId);
      case "/too-many": {
        let release;
        const gate = new Promise((resolve) => { release = resolve; });
        let count = 0;
        try {
          for (;; count++) ctx.waitUntil(gate);
        } catch (error) {
          release();
          return Response.json({ count, name: error.name, message: error.message });
        }
      }
      default:
        return new Response(vm);
    }
  },
};
`;

const FORWARDED = { "X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https" };

describe("ctx", { timeout: 120_000 }, () => {
  let backend: AskedBackend;
  let gateway: TestGateway;
  let certificates: TestCertificates;
  let tlsPort = 0;
  /** Answers that the backend holds back. */
  const held: ServerResponse[] = [];
  const url = (path: string) => `http://127.0.0.1:${gateway.port}${path}`;
  const headersSaid = async (start: string) => {
    const { msg } = await gateway.logged((line) => line.msg.startsWith(start));
    return JSON.parse(msg.slice(start.length + 1)) as Record<string, string>;
  };

  /** Answers what is held back, when it has come. */
  async function release(): Promise<void> {
    while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));
    held.shift()!.end();
  }

  async function overTls(options: object): Promise<Record<string, unknown>> {
    const request = requestOverTls({
      ...{ host: "127.0.0.1", port: tlsPort, servername: "backend.test", path: "/client" },
      ...{ ca: readFileSync(certificates.ca.certFile), checkServerIdentity: () => undefined, ...options },
    });
    request.end();
    const [response] = await once(request, "response");
    let text = "";
    for await (const piece of response) text += piece;
    return JSON.parse(text) as Record<string, unknown>;
  }

  before(async () => {
    backend = await AskedBackend.start("api", (request, response) => {
      if (request.url !== "/hold") return false;
      held.push(response);
      return true;
    });
    const entry = writeApp(HANDLER);
    const folder = entry.slice(0, entry.lastIndexOf("/"));
    certificates = await makeCertificates(folder);
    const { server, ca } = certificates;
    const own = `cert_file: ${server.certFile}, key_file: ${server.keyFile}`;
    gateway = await TestGateway.start(
      `backends: { api: [${backend.place}] }
apps:
  ctx: { entry: ${entry}, upstreams: [api], timeout: 20s }
  short: { entry: ${entry}, upstreams: [api], timeout: 20s, max_requests: 3, drain_timeout: 60s }
routing: { all: { app: ctx }, short: { path: /short, app: short, strip_prefix: true } }`,
      {
        server: `trusted_proxies: [127.0.0.1], listeners: [
          { host: 127.0.0.1, port: 0 },
          { host: 127.0.0.1, port: 0, ssl: { ${own}, client_ca: ${ca.certFile}, client_auth: optional } }]`,
      },
    );
    const { msg } = await gateway.logged((line) => line.msg.startsWith("listening on "));
    tlsPort = Number([...msg.matchAll(/:(\d+)(?=,|$)/g)][1]![1]);
  });
  after(async () => {
    await gateway.stop("SIGKILL");
    backend.stop();
  });

  it("tells of a client over plain HTTP", async () => {
    assert.deepEqual(await (await fetch(url("/client"))).json(), {
      ...{ address: "127.0.0.1", protocol: "HTTP/1.1", scheme: "http", tls: null, again: true },
    });
  });

  it("tells of the client behind a trusted proxy", async () => {
    const client = (await (await fetch(url("/client"), { headers: FORWARDED })).json()) as object;
    assert.deepEqual(client, {
      ...{ address: "198.51.100.7", protocol: "HTTP/1.1", scheme: "https", tls: null, again: true },
    });
  });

  it("tells of TLS and the certificate of the client", async () => {
    const { ca } = certificates;
    const wishes = { extensions: "extendedKeyUsage=clientAuth", subject: '/C=DE/O=Ünï, "Co"/CN=ann' };
    const own = await makeCertificate(ca, gateway.folder, "ann", wishes);
    const files = { cert: readFileSync(own.certFile), key: readFileSync(own.keyFile) };
    const { scheme, tls } = (await overTls(files)) as { scheme: string; tls: Record<string, unknown> };
    assert.deepEqual([scheme, tls["version"], tls["serverName"]], ["https", "TLSv1.3", "backend.test"]);
    assert.match(String(tls["cipher"]), /^TLS_/);
    const certificate = tls["clientCertificate"] as Record<string, unknown>;
    assert.match(String(certificate["subject"]), /CN=ann/);
    assert.match(String(certificate["fingerprint"]), /^[0-9a-f]{64}$/);
    assert.equal(certificate["verified"], true);
  });

  it("has no certificate of a client that sends none", async () => {
    const { tls } = (await overTls({})) as { tls: Record<string, unknown> };
    assert.equal(tls["clientCertificate"], null);
  });

  it("has an id for each request, which the log has too", async () => {
    const ids = await Promise.all(Array.from({ length: 5 }, async () => (await fetch(url("/id"))).text()));
    assert.equal(new Set(ids).size, 5);
    for (const id of ids) {
      const line = await gateway.logged(({ msg }) => msg === `said by ${id}`);
      assert.equal(line["request"], id);
    }
    await fetch(url("/id?throw"));
    const failure = await gateway.logged(({ msg }) => msg.includes("it fails"));
    assert.ok(gateway.log.some(({ msg }) => msg === `said by ${failure["request"]}`));
  });

  it("asks upstreams for the client of a request that is over, where it waits for that", async () => {
    assert.equal(await (await fetch(url("/wait"), { headers: FORWARDED })).text(), "at once");
    await release();
    const headers = await headersSaid("waited");
    assert.deepEqual(
      [headers["x-forwarded-for"], headers["x-forwarded-proto"], headers["x-real-ip"]],
      ["198.51.100.7, 127.0.0.1", "https", "198.51.100.7"],
    );
  });

  it("asks upstreams for nobody, where it does not", async () => {
    assert.equal(await (await fetch(url("/detached"), { headers: FORWARDED })).text(), "at once");
    await release();
    const headers = await headersSaid("detached");
    assert.deepEqual([headers["x-forwarded-for"], headers["x-real-ip"]], [undefined, undefined]);
    assert.equal(headers["via"], "1.1 sluice");
  });

  it("logs what is rejected", async () => {
    const id = await (await fetch(url("/rejected"))).text();
    const line = await gateway.logged(({ msg }) => msg.includes("of no avail"));
    assert.deepEqual([line.level, line["request"], line["app"]], ["error", id, "ctx"]);
    assert.match(
      line.msg,
      /^a promise of ctx\.waitUntil was rejected: Error: of no avail\n {4}at .*handler\.ts:/,
    );
  });

  it("waits for a thousand promises, and no more", async () => {
    const answer = (await (await fetch(url("/too-many"))).json()) as Record<string, unknown>;
    assert.deepEqual(answer, {
      ...{ count: 1000, name: "RangeError" },
      message: "Cannot wait for another promise: 1000 are pending in this VM",
    });
    assert.equal(((await (await fetch(url("/too-many"))).json()) as { count: number }).count, 1000);
  });

  it("keeps a VM that waits, though another takes over", async () => {
    const vm = await (await fetch(url("/short/"))).text();
    await fetch(url("/short/wait"), { headers: FORWARDED });
    while ((await (await fetch(url("/short/"))).text()) === vm);
    const before = gateway.log.length;
    const ended = (index: number) =>
      gateway.log[index]!["app"] === "short" && gateway.log[index]!.msg.includes("ended: replaced");
    assert.ok(!gateway.log.some((_, index) => ended(index)));
    await release();
    await gateway.logged((line, at) => at >= before && line.msg.startsWith("waited"));
    await gateway.logged((_, at) => at >= before && ended(at));
  });
});
