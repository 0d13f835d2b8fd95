// The name of a backend stands for another address while a data thread is dead: it is followed all the same, in the end.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { it } from "node:test";
import { DEADLY_ADDRESS } from "../support/deadly-client.ts";
import { DnsServer } from "../support/dns-server.ts";
import { TestGateway } from "../support/gateway.ts";

const PRELOAD = new URL("../support/deadly-client.ts", import.meta.url).href;

it("an address that changes while a data thread is dead is followed", { timeout: 20_000 }, async (t) => {
  const server = createServer((_request, response) => response.end("moved"));
  server.listen(0, "127.0.0.3");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const dns = await DnsServer.start();
  t.after(() => dns.stop());
  dns.set("web.test", { A: ["127.0.0.2"], ttl: 0 });
  const gateway = await TestGateway.start(
    `resolver: { servers: ["${dns.address}"], min_ttl: 0, timeout: 300ms }
backends: { web: [{ host: web.test, port: ${port} }] }
routing: { all: { upstream: web } }
`,
    { env: { NODE_OPTIONS: `--import=${PRELOAD}` } },
  );
  t.after(() => gateway.stop("SIGKILL"));
  const deadly = connect({ port: gateway.port, host: "127.0.0.1", localAddress: DEADLY_ADDRESS });
  deadly.on("error", () => {});
  t.after(() => deadly.destroy());
  await gateway.logged(({ msg }) => msg.includes("ended by itself"));
  dns.set("web.test", { A: ["127.0.0.3"], ttl: 0 });
  await gateway.logged(({ msg }) => msg.startsWith("addresses of backends not followed"));
  await gateway.logged(({ msg }) => msg === "addresses of backends changed");
  const response = await fetch(`http://127.0.0.1:${gateway.port}/`);
  assert.equal(await response.text(), "moved");
});
