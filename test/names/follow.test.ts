// Backends by name, seen from a client of the whole gateway: addresses of loopback, a DNS server of the test.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { DnsServer } from "../support/dns-server.ts";
import { TestGateway } from "../support/gateway.ts";

const ADDRESSES = ["127.0.0.2", "127.0.0.3", "127.0.0.4"];

/** Backends on one port of several loopback addresses; each answers with its own. */
async function backends(t: TestContext, hosts: readonly string[] = ADDRESSES): Promise<number> {
  let port = 0;
  for (const host of hosts) {
    const server = createServer((_request, response) => response.end(host));
    server.listen(port, host);
    await once(server, "listening");
    port = (server.address() as AddressInfo).port;
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
  }
  return port;
}

async function scene(
  t: TestContext,
  config: (dns: DnsServer) => string,
  dns: DnsServer,
): Promise<TestGateway> {
  t.after(() => dns.stop());
  const resolver = `resolver: { servers: ["${dns.address}"], min_ttl: 0, timeout: 300ms }\n`;
  const gateway = await TestGateway.start(resolver + config(dns));
  t.after(() => gateway.stop("SIGKILL"));
  return gateway;
}

async function ask(gateway: TestGateway): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${gateway.port}/`);
  return response.status === 200 ? await response.text() : String(response.status);
}

async function answers(gateway: TestGateway, count: number): Promise<string> {
  const seen = new Set<string>();
  for (let i = 0; i < count; i++) seen.add(await ask(gateway));
  return [...seen].sort().join(" ");
}

const byName = (port: number, more = "") =>
  `backends: { web: [{ id: web, host: web.test, port: ${port}, ${more} }] }\nrouting: { all: { upstream: web } }\n`;

const changed = (gateway: TestGateway, after: number) =>
  gateway.logged((line, at) => at >= after && line.msg === "addresses of backends changed");

describe("a backend by name", { timeout: 120_000 }, () => {
  it("is all of its addresses, and follows them without a reload", async (t) => {
    const port = await backends(t);
    const dns = await DnsServer.start();
    dns.set("web.test", { A: ["127.0.0.2", "127.0.0.3"], ttl: 0 });
    const gateway = await scene(t, () => byName(port), dns);
    assert.equal(await answers(gateway, 8), "127.0.0.2 127.0.0.3");
    const before = gateway.log.length;
    dns.set("web.test", { A: ["127.0.0.4"], ttl: 0 });
    await changed(gateway, before);
    assert.equal(await answers(gateway, 4), "127.0.0.4");
  });

  it("keeps its addresses while DNS fails, and connections with them", async (t) => {
    const port = await backends(t);
    const dns = await DnsServer.start();
    dns.set("web.test", { A: ["127.0.0.2"], ttl: 0 });
    const gateway = await scene(t, () => byName(port), dns);
    assert.equal(await ask(gateway), "127.0.0.2");
    dns.fault = "servfail";
    // Twice for the answer that fails, and once again a second later.
    await dns.asked("web.test", "A", 3);
    assert.equal(await answers(gateway, 3), "127.0.0.2");
  });

  it("that is found later serves from then on; until then it is a 503", async (t) => {
    const port = await backends(t);
    const dns = await DnsServer.start();
    const gateway = await scene(t, () => byName(port), dns);
    assert.equal(await ask(gateway), "503");
    dns.set("web.test", { A: ["127.0.0.3"], ttl: 0 });
    await changed(gateway, 0);
    assert.equal(await ask(gateway), "127.0.0.3");
  });

  it("moves on to another address where one refuses", async (t) => {
    const port = await backends(t, ["127.0.0.2"]);
    const dns = await DnsServer.start();
    dns.set("web.test", { A: ["127.0.0.2", "127.0.0.5"] });
    const gateway = await scene(t, () => byName(port), dns);
    assert.equal(await answers(gateway, 6), "127.0.0.2");
  });

  it("gets a new address into service only after its first good check", async (t) => {
    const port = await backends(t, ["127.0.0.2"]);
    const dns = await DnsServer.start();
    dns.set("web.test", { A: ["127.0.0.2"], ttl: 0 });
    const check = "health_check: { path: /, interval: 100ms }";
    const gateway = await scene(t, () => byName(port, check), dns);
    const before = gateway.log.length;
    dns.set("web.test", { A: ["127.0.0.2", "127.0.0.3"], ttl: 0 });
    await changed(gateway, before);
    assert.equal(await answers(gateway, 6), "127.0.0.2");
    const late = createServer((_request, response) => response.end("127.0.0.3")).listen(port, "127.0.0.3");
    t.after(() => {
      late.close();
      late.closeAllConnections();
    });
    while ((await ask(gateway)) !== "127.0.0.3");
  });

  it("may be SRV records: the lowest priority serves, the next is for backup", async (t) => {
    const first = await backends(t, ["127.0.0.2"]);
    const second = await backends(t, ["127.0.0.3"]);
    const dns = await DnsServer.start();
    const SRV = [
      { priority: 1, weight: 1, port: first, target: "a.test" },
      { priority: 2, weight: 1, port: second, target: "b.test" },
    ];
    dns.set("_http._tcp.web.test", { SRV });
    dns.set("a.test", { A: ["127.0.0.2"], ttl: 0 });
    dns.set("b.test", { A: ["127.0.0.3"] });
    const config =
      "backends: { web: [{ id: web, srv: _http._tcp.web.test }] }\nrouting: { all: { upstream: web } }\n";
    const gateway = await scene(t, () => config, dns);
    assert.equal(await answers(gateway, 6), "127.0.0.2");
    const before = gateway.log.length;
    // Nobody listens there.
    dns.set("a.test", { A: ["127.0.0.9"], ttl: 0 });
    await changed(gateway, before);
    assert.equal(await answers(gateway, 3), "127.0.0.3");
  });
});
