// What becomes of the answers of DNS servers: a real one on UDP and TCP. Runs in the test process.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type DnsEntry, DnsServer } from "../../../test/support/dns-server.ts";
import { Dns } from "./dns.ts";

const V4 = "10.0.0.1";
const V6 = "fd00::1";

describe("asking a DNS server", () => {
  let server: DnsServer;
  let dns: Dns;
  before(async () => {
    server = await DnsServer.start();
    dns = dnsOf([server.address], 5000);
  });
  after(() => server.stop());

  function dnsOf(servers: readonly string[], timeoutMs: number): Dns {
    const asking = new Dns({ servers, timeoutMs, minTtlMs: 0, maxTtlMs: 60_000 });
    after(() => asking.stop());
    return asking;
  }

  /** What is found, or why nothing is. */
  async function addressesOf(entry: DnsEntry | null): Promise<string> {
    server.set("a.test", entry);
    const answer = await dns.addresses("a.test");
    return answer.kind === "found" ? answer.items.join(" ") : `${answer.kind}: ${answer.reason}`;
  }

  const FAILED = "failed: the DNS server failed (SERVFAIL)";
  const TABLE: ReadonlyArray<readonly [what: string, entry: DnsEntry | null, outcome: string]> = [
    ["addresses of both families", { A: [V4, "10.0.0.2"], AAAA: [V6] }, `${V4} 10.0.0.2 ${V6}`],
    ["IPv4 alone", { A: [V4] }, V4],
    ["IPv6 alone", { AAAA: [V6] }, V6],
    ["no addresses", {}, "missing: it has no addresses"],
    ["no such name", null, "missing: there is no such name"],
    [
      "no such name, and a server that fails at IPv6",
      { A: "nxdomain", AAAA: "servfail" },
      "missing: there is no such name",
    ],
    [
      "no such name, and a server that fails at IPv4",
      { A: "servfail", AAAA: "nxdomain" },
      "missing: there is no such name",
    ],
    ["a server that fails", { A: "servfail", AAAA: "servfail" }, FAILED],
    ["no IPv4, and a server that fails at IPv6", { AAAA: "servfail" }, FAILED],
    ["no IPv6, and a server that fails at IPv4", { A: "servfail" }, FAILED],
    ["IPv4, and a server that fails at IPv6", { A: [V4], AAAA: "servfail" }, V4],
    ["IPv6, and a server that fails at IPv4", { A: "servfail", AAAA: [V6] }, V6],
    ["a server that refuses", { A: "refused", AAAA: "refused" }, "failed: the DNS server refuses to answer"],
  ];
  for (const [what, entry, outcome] of TABLE) {
    it(`gives ${outcome} for ${what}`, async () => assert.equal(await addressesOf(entry), outcome));
  }

  it("keeps the last addresses of a family whose question failed, and only those", async () => {
    for (const [entry, kept] of [
      [{ A: [V4], AAAA: "servfail" }, [V6]],
      [{ A: "servfail", AAAA: [V6] }, [V4]],
      [{ A: [V4] }, []],
      [{ A: [V4], AAAA: [V6] }, []],
    ] as const) {
      server.set("a.test", entry);
      const answer = await dns.addresses("a.test");
      assert.ok(answer.kind === "found");
      assert.deepEqual(
        [V4, V6].filter((address) => answer.keeps?.(address) ?? false),
        kept,
      );
    }
  });

  it("takes the shortest TTL of all records, that of an alias too", async () => {
    server.set("www.test", { CNAME: "alias.test", ttl: 40 });
    server.set("alias.test", { CNAME: "a.test", ttl: 30 });
    server.set("a.test", { A: [V4], AAAA: [V6], ttl: 20 });
    for (const [name, ttl] of [
      ["a.test", 20],
      ["www.test", 20],
    ] as const) {
      const answer = await dns.addresses(name);
      assert.deepEqual(answer, { kind: "found", items: [V4, V6], ttlMs: ttl * 1000, keeps: null });
    }
    server.set("alias.test", { CNAME: "a.test", ttl: 10 });
    const answer = await dns.addresses("www.test");
    assert.equal(answer.kind === "found" && answer.ttlMs, 10_000);
  });

  it("asks by TCP where the answer is too long for UDP", async () => {
    const many = Array.from({ length: 200 }, (_, i) => `10.1.0.${i}`);
    server.set("many.test", { A: many });
    server.truncates = true;
    try {
      const answer = await dns.addresses("many.test");
      assert.deepEqual(answer.kind === "found" && answer.items, many);
      const transports = server.questions.filter(({ name, type }) => name === "many.test" && type === "A");
      assert.deepEqual(
        transports.map(({ transport }) => transport),
        ["udp", "tcp"],
      );
    } finally {
      server.truncates = false;
    }
  });

  it("says that nobody answers, after it has asked twice", async () => {
    server.set("silent.test", { A: "silent", AAAA: "silent" });
    const started = performance.now();
    // c-ares waits for 250 ms at least.
    const answer = await dnsOf([server.address], 300).addresses("silent.test");
    assert.deepEqual(answer, { kind: "failed", reason: "no DNS server answers" });
    assert.ok(performance.now() - started >= 500);
    assert.equal(server.count("silent.test", "A"), 2);
  });

  it("says that nobody answers where no server is", async () => {
    const closed = await DnsServer.start();
    const { address } = closed;
    await closed.stop();
    const answer = await dnsOf([address], 300).addresses("a.test");
    assert.deepEqual(answer, { kind: "failed", reason: "no DNS server answers" });
  });

  it("asks the next server where one does not answer", async (test) => {
    const silent = await DnsServer.start();
    test.after(() => silent.stop());
    silent.fault = "silent";
    server.set("a.test", { A: [V4] });
    const answer = await dnsOf([silent.address, server.address], 500).addresses("a.test");
    assert.deepEqual(answer.kind === "found" && answer.items, [V4]);
  });

  it("reads SRV records, in lower case", async () => {
    const records = [
      { priority: 1, weight: 2, port: 3, target: "A.test" },
      { priority: 4, weight: 0, port: 5, target: "b.test" },
    ];
    server.set("_x._tcp.test", { SRV: records, ttl: 7 });
    const items = records.map((record) => ({ ...record, target: record.target.toLowerCase() }));
    const answer = await dns.services("_x._tcp.test");
    assert.deepEqual(answer, { kind: "found", items, ttlMs: 30_000, keeps: null });
  });

  it("takes the root as a target for no service, and port 0 too", async () => {
    const missing = { kind: "missing", reason: "it has no service (SRV records)" };
    const none = { priority: 0, weight: 0, port: 1, target: "" };
    server.set("_x._tcp.test", { SRV: [none, { ...none, target: "a.test", port: 0 }] });
    assert.deepEqual(await dns.services("_x._tcp.test"), missing);
    server.set("_x._tcp.test", {});
    assert.deepEqual(await dns.services("_x._tcp.test"), missing);
    server.set("_x._tcp.test", null);
    assert.deepEqual(await dns.services("_x._tcp.test"), { ...missing, reason: "there is no such name" });
  });

  it("says what it expected where the address of a server is none", () => {
    const servers = [server.address, "10.0.0.999"];
    assert.throws(() => dnsOf(servers, 100), {
      message:
        'Cannot use "10.0.0.999" as a DNS server: expected an address such as "10.0.0.2" or "10.0.0.2:53"',
    });
  });
});
