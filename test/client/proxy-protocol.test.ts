// PROXY protocol headers before requests, on listeners that ask for them and on those that do not. Real gateway processes.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it, type TestContext } from "node:test";
import type { Client } from "../http/client.ts";
import { Origin } from "../http/origin.ts";
import { type LogLine, proxyTo, TestGateway } from "../support/gateway.ts";
import { clientFrom, GET, leave } from "./from.ts";

const CLOSED = "connection closed: no PROXY protocol header: ";
const V1 = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";
const SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";
const V2 = `${SIGNATURE}\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb`;
const V2_IPV6 = `${SIGNATURE}\x21\x21\0\x24\x20\x01\x0d\xb8${"\0".repeat(11)}\x01${"\0".repeat(15)}\x01\0\x01\0\x02`;
const LOCAL = `${SIGNATURE}\x20\0\0\0`;

let origin: Origin;
let gateway: TestGateway;
before(async () => {
  origin = await Origin.start();
  gateway = await TestGateway.start(proxyTo(origin.port), {
    server: "proxy_protocol: true, trusted_proxies: [192.0.2.7], read_timeout: 1s",
  });
});
beforeEach(() => origin.reset());
after(async () => {
  await gateway.stop("SIGKILL");
  await origin.stop();
});

/** The address that the backend is told of the request that was answered last. */
async function ask(client: Client, text: string): Promise<string | undefined> {
  origin.reset();
  client.send(text);
  assert.equal((await client.answer()).status, 200);
  return origin.valuesOf("x-real-ip")[0];
}

describe("a listener with the PROXY protocol", { timeout: 120_000 }, () => {
  const HEADERS: ReadonlyArray<readonly [what: string, header: string, client: string]> = [
    ["version 1", V1, "192.0.2.1"],
    ["version 1 of IPv6", "PROXY TCP6 2001:DB8:0::1 2001:db8::2 1 2\r\n", "2001:db8::1"],
    ["version 1, unknown", "PROXY UNKNOWN\r\n", "127.0.0.1"],
    ["version 2", V2, "192.0.2.1"],
    ["version 2 of IPv6", V2_IPV6, "2001:db8::1"],
    ["version 2 with further values", `${V2.replace("\x0c", "\x10")}\x04\0\x01x`, "192.0.2.1"],
    ["version 2, local", LOCAL, "127.0.0.1"],
  ];
  for (const [what, header, address] of HEADERS) {
    it(`takes the client from ${what}`, async (t) => {
      const client = await clientFrom(t, gateway.port);
      assert.equal(await ask(client, header + GET), address);
      assert.deepEqual(origin.valuesOf("x-forwarded-for"), [address]);
      // It holds for the whole connection.
      assert.equal(await ask(client, GET), address);
    });

    it(`takes ${what} byte by byte`, async (t) => {
      const client = await clientFrom(t, gateway.port);
      const bytes = header + GET;
      for (const byte of bytes.slice(0, -1)) {
        client.send(byte);
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.equal(await ask(client, bytes.slice(-1)), address);
    });
  }

  it("takes a request that comes later, and a body that comes with the header", async (t) => {
    const late = await clientFrom(t, gateway.port);
    late.send(V2);
    const client = await clientFrom(t, gateway.port);
    const post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    assert.equal(await ask(client, V1 + post), "192.0.2.1");
    assert.equal(origin.only.body, "hello");
    assert.equal(await ask(late, GET), "192.0.2.1");
  });

  it("takes requests that are sent ahead", async (t) => {
    const client = await clientFrom(t, gateway.port);
    client.send(V1 + GET + GET + GET);
    for (let i = 0; i < 3; i++) assert.equal((await client.answer()).status, 200);
    assert.equal(origin.requests.length, 3);
  });

  it("trusts the client in the header as it would trust a peer, and nobody else", async (t) => {
    const claim = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.1\r\n\r\n";
    const trusted = await clientFrom(t, gateway.port);
    assert.equal(await ask(trusted, V1.replace("192.0.2.1", "192.0.2.7") + claim), "203.0.113.1");
    assert.deepEqual(origin.valuesOf("x-forwarded-for"), ["203.0.113.1, 192.0.2.7"]);
    const stranger = await clientFrom(t, gateway.port);
    assert.equal(await ask(stranger, V1 + claim), "192.0.2.1");
  });

  it("refuses a second header", async (t) => {
    const client = await clientFrom(t, gateway.port);
    client.send(V1 + V1 + GET);
    assert.equal((await client.answer()).status, 400);
    await client.ended();
  });

  const BROKEN: ReadonlyArray<readonly [what: string, text: string, fault: string | RegExp]> = [
    ["a request without header", GET, '"G" at offset 0: expected "PROXY " or the signature of version 2'],
    ["a method that begins like it", "PUT / HTTP/1.1\r\n\r\n", /^"U" at offset 1: /],
    [
      "version 1 with two spaces",
      V1.replace(" TCP4", "  TCP4"),
      /^cannot parse "PROXY {2}TCP4 .+": expected /,
    ],
    ["version 1 with a bad port", V1.replace("443", "65536"), /^cannot parse .+ 65536": expected /],
    ["version 1 without CRLF", `PROXY UNKNOWN ${"x".repeat(100)}`, /expected CRLF within 107 bytes$/],
    ["version 3", V2.replace("\x21\x11", "\x31\x11"), "version and command 0x31: expected 0x20 or 0x21"],
    ["UDP", V2.replace("\x21\x11", "\x21\x12"), /^family and transport 0x12: expected /],
    ["too much", `${SIGNATURE}\x21\x11\xff\xff`, "length 65535: expected 12 to 4096"],
  ];
  for (const [what, text, fault] of BROKEN) {
    it(`closes a connection with ${what}, without an answer`, async (t) => {
      const since = gateway.log.length;
      const client = await clientFrom(t, gateway.port, "127.0.0.3");
      client.send(text + GET);
      assert.equal(await client.ended(), "");
      const line = await refusal(since);
      assert.deepEqual([line.level, line["client"]], ["warn", "127.0.0.3"]);
      if (typeof fault === "string") assert.equal(line.msg, CLOSED + fault);
      else assert.match(line.msg.slice(CLOSED.length), fault);
      assert.equal(origin.requests.length, 0);
    });
  }

  /** Ten lines of a kind are written in ten seconds: the first gateway has written them. */
  async function fresh(t: TestContext, server: string): Promise<TestGateway> {
    const started = await TestGateway.start(proxyTo(origin.port), { server });
    t.after(() => started.stop("SIGKILL"));
    return started;
  }

  function refusal(since: number, of = gateway): Promise<LogLine> {
    return of.logged(({ msg }, at) => at >= since && msg.startsWith(CLOSED));
  }

  it("closes a connection that ends in the middle of a header, and says so", async (t) => {
    const own = await fresh(t, "proxy_protocol: true");
    const client = await clientFrom(t, own.port);
    client.send(V1.slice(0, 20));
    await leave(client);
    assert.equal((await refusal(0, own)).msg, `${CLOSED}the connection ended after 20 bytes of it`);
  });

  it("says nothing of a connection that ends without a byte", async (t) => {
    const own = await fresh(t, "proxy_protocol: true");
    await leave(await clientFrom(t, own.port));
    const client = await clientFrom(t, own.port);
    await ask(client, V1 + GET);
    assert.ok(own.log.every(({ msg }) => !msg.startsWith(CLOSED)));
  });

  it("does not wait for a header longer than read_timeout, however it comes", async (t) => {
    const own = await fresh(t, "proxy_protocol: true, read_timeout: 300ms");
    const silent = await clientFrom(t, own.port);
    assert.equal(await silent.ended(), "");
    assert.equal((await refusal(0, own)).msg, `${CLOSED}0 bytes of it within 300 ms`);
    const slow = await clientFrom(t, own.port);
    const since = own.log.length;
    // A byte now and then does not help.
    const timer = setInterval(() => slow.send("x"), 50);
    t.after(() => clearInterval(timer));
    slow.send("PROXY UNKNOWN ");
    assert.equal(await slow.ended(), "");
    assert.match((await refusal(since, own)).msg, /: \d+ bytes of it within 300 ms$/);
  });

  it("gives a request head its own time behind the header", async (t) => {
    const own = await fresh(t, "proxy_protocol: true, read_timeout: 300ms");
    const client = await clientFrom(t, own.port);
    client.send(`${V1}GET / HTTP/1.1\r\n`);
    assert.equal((await client.answer()).status, 408);
  });

  it("lets go of connections without header when the gateway stops", async (t) => {
    const own = await fresh(t, "proxy_protocol: true");
    const client = await clientFrom(t, own.port);
    client.send("PROXY ");
    await ask(await clientFrom(t, own.port), V1 + GET);
    const stopped = own.stop();
    assert.equal(await client.ended(), "");
    client.close();
    assert.equal(await stopped, 0);
  });
});

describe("a listener without the PROXY protocol", { timeout: 120_000 }, () => {
  async function plain(t: TestContext): Promise<TestGateway> {
    const own = await TestGateway.start(proxyTo(origin.port));
    t.after(() => own.stop("SIGKILL"));
    return own;
  }

  it("refuses a header as the malformed request that it is", async (t) => {
    const own = await plain(t);
    for (const header of [V1, V2]) {
      const client = await clientFrom(t, own.port);
      client.send(header + GET);
      assert.equal((await client.answer()).status, 400);
      await client.ended();
    }
    assert.equal(origin.requests.length, 0);
  });

  it("asks for it after a reload that says so, and no more after the next one", async (t) => {
    const own = await plain(t);
    assert.equal(await ask(await clientFrom(t, own.port), GET), "127.0.0.1");
    const kept = await clientFrom(t, own.port);
    await ask(kept, GET);
    await own.adopt(proxyTo(origin.port), { server: "proxy_protocol: true" });
    assert.equal(await ask(await clientFrom(t, own.port), V1 + GET), "192.0.2.1");
    assert.equal(await ask(kept, GET), "127.0.0.1");
    await own.adopt(proxyTo(origin.port));
    assert.equal(await ask(await clientFrom(t, own.port), GET), "127.0.0.1");
  });

  it("stands beside one that asks for it", async (t) => {
    const listeners =
      "listeners: [{ host: 127.0.0.1, port: 0 }, { host: 127.0.0.1, port: 0, proxy_protocol: true }]";
    const own = await TestGateway.start(proxyTo(origin.port), { server: listeners });
    t.after(() => own.stop("SIGKILL"));
    const line = await own.logged(({ msg }) => msg.startsWith("listening on "));
    const ports = [...line.msg.matchAll(/:(\d+)/g)].map(([, port]) => Number(port));
    assert.equal(ports.length, 2, line.msg);
    assert.equal(await ask(await clientFrom(t, ports[0]!), GET), "127.0.0.1");
    assert.equal(await ask(await clientFrom(t, ports[1]!), V2 + GET), "192.0.2.1");
  });
});
