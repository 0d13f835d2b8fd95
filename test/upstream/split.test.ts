// Routes with several upstreams, seen from them: shares, who stays, and who moves. Real gateway process.

import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { RawBackend, RawConnection } from "../support/raw.ts";

const UPSTREAMS = ["canary", "beta", "stable"] as const;
const USERS = Array.from({ length: 2000 }, (_, i) => `user-${i}`);

const withUser = (user: string) => `X-User: ${user}\r\n`;

/** Forgets each request, as there are thousands on a connection. */
function sayName(connection: RawConnection, name: string): void {
  connection.socket.on("data", () => {
    if (!connection.text.endsWith("\r\n\r\n")) return;
    connection.take();
    connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${name.length + 1}\r\n\r\n${name};`);
  });
}

describe("a split", () => {
  let gateway: TestGateway;
  const backends: RawBackend[] = [];

  before(async () => {
    for (const name of UPSTREAMS) {
      backends.push(await RawBackend.start((connection) => sayName(connection, name)));
    }
    gateway = await TestGateway.start("routing: {}", { server: "trusted_proxies: [127.0.0.1/32]" });
  });
  after(async () => {
    await gateway.stop("SIGKILL");
    for (const backend of backends) await backend.stop();
  });

  /** `routes` are the inside of a split, by path. */
  function fileOf(routes: Readonly<Record<string, string>>): string {
    const upstreams = UPSTREAMS.map(
      (name, i) => `${name}: [{ host: 127.0.0.1, port: ${backends[i]!.port} }]`,
    );
    const routing = Object.entries(routes).map(
      ([path, split], i) => `  r${i}: { path: ${path}, split: { ${split} } }`,
    );
    return `backends: { ${upstreams.join(", ")}, gone: [{ host: 127.0.0.1, port: 1, active: false }] }\nrouting:\n${routing.join("\n")}\n`;
  }

  async function adopt(routes: Readonly<Record<string, string>>): Promise<void> {
    await gateway.adopt(fileOf(routes), { server: "trusted_proxies: [127.0.0.1/32]" });
  }

  /** Where requests with these fields go, one after the other. */
  async function homes(t: TestContext, requests: readonly string[], path = "/"): Promise<string[]> {
    const client = await RawConnection.connect(gateway.port);
    t.after(() => client.destroy());
    const went: string[] = [];
    // Sent ahead in groups that the gateway takes in one read.
    for (let at = 0; at < requests.length; at += 20) {
      const group = requests.slice(at, at + 20);
      client.take();
      client.write(group.map((fields) => `GET ${path} HTTP/1.1\r\nHost: test\r\n${fields}\r\n`).join(""));
      const text = await client.until(new RegExp(`^(?:[^;]*;){${group.length}}$`));
      for (const [, name] of text.matchAll(/\r\n\r\n(\w+);/g)) went.push(name!);
    }
    assert.equal(went.length, requests.length);
    return went;
  }

  /** Within six standard deviations. */
  function assertShare(went: readonly string[], name: string, share: number): void {
    const count = went.filter((home) => home === name).length;
    const spread = 6 * Math.sqrt(went.length * share * (1 - share));
    assert.ok(
      Math.abs(count - went.length * share) <= spread,
      `${count} of ${went.length} to ${name}: expected ${went.length * share} ± ${spread}`,
    );
  }

  it("gives each upstream its share of the users", async (t) => {
    await adopt({ "/": "to: { canary: 10, beta: 30, stable: 60 }, by: 'header:X-User'" });
    const went = await homes(t, USERS.map(withUser));
    assertShare(went, "canary", 0.1);
    assertShare(went, "beta", 0.3);
    assertShare(went, "stable", 0.6);
  });

  it("gives each upstream its share of the requests at random, and weight 0 none", async (t) => {
    await adopt({ "/": "to: { canary: 20, beta: 0, stable: 80 }, by: random" });
    const went = await homes(t, new Array(2000).fill(withUser("one")));
    assertShare(went, "canary", 0.2);
    assertShare(went, "stable", 0.8);
  });

  it("keeps a user over requests, connections, routes and reloads", async (t) => {
    const split = "to: { canary: 30, stable: 70 }, by: 'cookie:uid'";
    const cookies = USERS.slice(0, 60).map((user) => `Cookie: a=b; uid=${user}; c=d\r\n`);
    await adopt({ "/": split, "/other": split });
    const went = await homes(t, cookies);
    assert.deepEqual(new Set(went), new Set(["canary", "stable"]));
    for (let round = 0; round < 5; round++) assert.deepEqual(await homes(t, cookies), went);
    assert.deepEqual(await homes(t, cookies, "/other"), went);
    await adopt({ "/": split });
    assert.deepEqual(await homes(t, cookies), went);
  });

  it("moves only the users that a growing share takes", async (t) => {
    const fields = USERS.map(withUser);
    await adopt({ "/": "to: { canary: 5, stable: 95 }, by: 'header:x-user'" });
    const before = await homes(t, fields);
    await adopt({ "/": "to: { canary: 10, stable: 90 }, by: 'header:x-user'" });
    const now = await homes(t, fields);
    const moved = USERS.filter((_, i) => now[i] !== before[i]);
    assertShare(before, "canary", 0.05);
    assertShare(now, "canary", 0.1);
    assert.ok(moved.length > 0);
    for (const [i, home] of before.entries()) if (home === "canary") assert.equal(now[i], "canary");
  });

  it("goes by the client's address without a key, and where the request has none", async (t) => {
    const addresses = Array.from({ length: 60 }, (_, i) => `X-Forwarded-For: 203.0.113.${i}\r\n`);
    await adopt({
      "/": "to: { canary: 50, stable: 50 }, by: 'cookie:uid'",
      "/address": "to: { canary: 50, stable: 50 }",
    });
    const went = await homes(t, addresses, "/address");
    assert.deepEqual(new Set(went), new Set(["canary", "stable"]));
    assert.deepEqual(await homes(t, addresses), went);
  });

  it("sends nobody elsewhere when an upstream has no backend", async (t) => {
    await adopt({ "/": "to: { gone: 1, stable: 1 }, by: 'header:x-user'" });
    const client = await RawConnection.connect(gateway.port);
    t.after(() => client.destroy());
    const statuses: string[] = [];
    for (const user of USERS.slice(0, 40)) {
      client.take();
      client.write(`GET / HTTP/1.1\r\nHost: test\r\n${withUser(user)}\r\n`);
      const text = await client.until(/;$|\}\n$/);
      statuses.push(`${text.slice(9, 12)} ${text.match(/stable;$|backend_unavailable/)?.[0]}`);
    }
    assert.deepEqual(new Set(statuses), new Set(["200 stable;", "503 backend_unavailable"]));
  });
});
