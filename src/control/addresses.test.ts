// Whether an address is free, and what is said when it is not: real sockets. Runs in the test process.

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { after, before, describe, it } from "node:test";
import { AddressError, claimAddress } from "./addresses.ts";

describe("claiming an address", () => {
  let holder: Server;
  let port: number;

  before(async () => {
    // As another gateway would hold it: it would share the port.
    holder = createServer().listen({ host: "127.0.0.1", port: 0, reusePort: process.platform === "linux" });
    await once(holder, "listening");
    port = (holder.address() as AddressInfo).port;
  });
  after(() => holder.close());

  it("turns port 0 into one that can be listened on", async () => {
    const spec = await claimAddress({
      host: "127.0.0.1",
      port: 0,
      backlog: 7,
      proxyProtocol: false,
      h2c: false,
      tls: null,
    });
    assert.deepEqual([spec.host, spec.backlog], ["127.0.0.1", 7]);
    const server = createServer().listen(spec);
    await once(server, "listening");
    assert.equal((server.address() as AddressInfo).port, spec.port);
    server.close();
  });

  it("leaves a free address free, as it was asked for", async () => {
    const free = await claimAddress({
      host: "127.0.0.1",
      port: 0,
      backlog: 7,
      proxyProtocol: false,
      h2c: false,
      tls: null,
    });
    assert.deepEqual(await claimAddress(free), free);
    assert.deepEqual(await claimAddress(free), free);
  });

  for (const host of ["127.0.0.1", "0.0.0.0"]) {
    it(`fails on ${host} when another process holds the port, even one that would share it`, async () => {
      const claimed = claimAddress({
        host,
        port,
        backlog: 7,
        proxyProtocol: false,
        h2c: false,
        tls: null,
      });
      await assert.rejects(claimed, (error) => {
        assert.ok(error instanceof AddressError);
        assert.match(
          error.message,
          new RegExp(`^Cannot listen on ${host}:${port}: another process holds it`),
        );
        return true;
      });
    });
  }

  it("says that this machine has no such address", async () => {
    // TEST-NET-1 (RFC 5737).
    await assert.rejects(
      claimAddress({
        host: "192.0.2.1",
        port: 0,
        backlog: 7,
        proxyProtocol: false,
        h2c: false,
        tls: null,
      }),
      {
        message: "Cannot listen on 192.0.2.1:0: this machine has no such address",
      },
    );
  });

  it("puts an IPv6 address in brackets", async () => {
    await assert.rejects(
      claimAddress({
        host: "2001:db8::1",
        port: 0,
        backlog: 7,
        proxyProtocol: false,
        h2c: false,
        tls: null,
      }),
      {
        message: /^Cannot listen on \[2001:db8::1\]:0: /,
      },
    );
  });
});
