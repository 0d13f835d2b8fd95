// Connections of one client address, over all data threads. Real gateway processes.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { describe, it, type TestContext } from "node:test";
import type { Client } from "../http/client.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { DEADLY_ADDRESS } from "../support/deadly-client.ts";
import { type GatewayOptions, TestGateway } from "../support/gateway.ts";
import { clientFrom, GET, leave } from "./from.ts";

const HELLO = 'routing: { all: { respond: { body: "hello" } } }\n';
const ONE = "127.0.0.1";
const OTHER = "127.0.0.2";
const REFUSED = "connection refused: max_conn_per_client is reached";
const DEADLY = new URL("../support/deadly-client.ts", import.meta.url).href;

async function gatewayWith(
  t: TestContext,
  server: string,
  options: GatewayOptions = {},
): Promise<TestGateway> {
  const gateway = await TestGateway.start(HELLO, { server, ...options });
  t.after(() => gateway.stop("SIGKILL"));
  return gateway;
}

interface Opened {
  readonly client: Client;
  readonly status: number;
}

/** Connects and asks; `first` goes out before the request. */
async function open(t: TestContext, gateway: TestGateway, from: string, first = ""): Promise<Opened> {
  const client = await clientFrom(t, gateway.port, from);
  client.send(first + GET);
  return { client, status: (await client.answer()).status };
}

/** Opens connections until one is refused, at most `most`; gives those that were not. */
async function openAll(t: TestContext, gateway: TestGateway, from: string, most: number): Promise<Opened[]> {
  const opened: Opened[] = [];
  while (opened.length < most) {
    const next = await open(t, gateway, from);
    if (next.status !== 200) break;
    opened.push(next);
  }
  return opened;
}

/** Opens one when the gateway has noticed that another one left. */
async function openWhenFree(t: TestContext, gateway: TestGateway, from: string, first = ""): Promise<Opened> {
  for (;;) {
    const next = await open(t, gateway, from, first);
    if (next.status === 200) return next;
    next.client.close();
  }
}

describe("max_conn_per_client", { timeout: 120_000 }, () => {
  for (const workers of [1, 2, 4]) {
    it(`is exact over ${workers} data thread(s), for each client by itself`, async (t) => {
      const gateway = await gatewayWith(t, `max_conn_per_client: 7, workers: ${workers}`);
      const ones = await openAll(t, gateway, ONE, 8);
      assert.equal(ones.length, 7);
      assert.equal((await openAll(t, gateway, OTHER, 8)).length, 7);

      const beyond = await clientFrom(t, gateway.port, ONE);
      beyond.send(GET);
      const { status, fields, body } = await beyond.answer();
      assert.equal(status, 503);
      assert.deepEqual(JSON.parse(body), {
        error: { code: "too_many_connections", status: 503, message: "too many connections of one client" },
      });
      assert.deepEqual([valuesOf(fields, "connection"), valuesOf(fields, "retry-after")], [["close"], ["1"]]);
      assert.equal(await beyond.ended(), "");
      const line = await gateway.logged(({ msg }) => msg === REFUSED);
      assert.deepEqual([line.level, line["max_conn_per_client"], line["client"]], ["warn", 7, ONE]);

      // The others are served on, and one that goes makes room for one, not more.
      for (const { client } of ones) {
        client.send(GET);
        assert.equal((await client.answer()).status, 200);
      }
      await leave(ones[0]!.client);
      await openWhenFree(t, gateway, ONE);
      assert.equal((await open(t, gateway, ONE)).status, 503);
    });

    it(`holds against a crowd that comes at once, over ${workers} data thread(s)`, async (t) => {
      const gateway = await gatewayWith(t, `max_conn_per_client: 5, workers: ${workers}`);
      const clients = await Promise.all(Array.from({ length: 25 }, () => clientFrom(t, gateway.port, ONE)));
      for (const client of clients) client.send(GET);
      const statuses = await Promise.all(clients.map(async (client) => (await client.answer()).status));
      assert.equal(statuses.filter((status) => status === 200).length, 5);
      assert.equal(statuses.filter((status) => status === 503).length, 20);
    });
  }

  it("leaves room for others in max_conn: a refused connection counts for nothing", async (t) => {
    const gateway = await gatewayWith(t, "max_conn: 3, max_conn_per_client: 2");
    await openAll(t, gateway, ONE, 2);
    const refused = [];
    for (let i = 0; i < 5; i++) {
      const client = await clientFrom(t, gateway.port, ONE);
      client.send(GET);
      refused.push(client);
    }
    for (const client of refused) assert.equal((await client.answer()).status, 503);
    assert.equal((await open(t, gateway, OTHER)).status, 200);
    assert.ok(gateway.log.every(({ msg }) => msg !== "connection refused: max_conn is reached"));
  });

  it("may be raised, lowered and switched off and on by a reload", async (t) => {
    const gateway = await gatewayWith(t, "max_conn_per_client: 1");
    const first = (await openAll(t, gateway, ONE, 2))[0]!;
    await gateway.adopt(HELLO, { server: "max_conn_per_client: 2" });
    assert.equal((await openAll(t, gateway, ONE, 2)).length, 1);
    await gateway.adopt(HELLO, { server: "max_conn_per_client: 1" });
    assert.equal((await open(t, gateway, ONE)).status, 503);
    await gateway.adopt(HELLO);
    assert.equal((await openAll(t, gateway, ONE, 5)).length, 5);
    await gateway.adopt(HELLO, { server: "max_conn_per_client: 3" });
    // Two that were counted are open still, and five that were not.
    assert.equal((await openAll(t, gateway, ONE, 5)).length, 1);
    first.client.send(GET);
    assert.equal((await first.client.answer()).status, 200);
  });

  it("may come with a reload", async (t) => {
    const gateway = await gatewayWith(t, "");
    await gateway.adopt(HELLO, { server: "max_conn_per_client: 2" });
    assert.equal((await openAll(t, gateway, ONE, 5)).length, 2);
  });

  it("is not for trusted proxies, whose connections are those of many clients", async (t) => {
    const gateway = await gatewayWith(t, "max_conn_per_client: 1, trusted_proxies: [127.0.0.1]");
    assert.equal((await openAll(t, gateway, ONE, 3)).length, 3);
    assert.equal((await openAll(t, gateway, OTHER, 3)).length, 1);
  });

  it("forgets the connections of a data thread that died", async (t) => {
    const env = { NODE_OPTIONS: `--import=${DEADLY}` };
    const gateway = await gatewayWith(t, "workers: 1, max_conn_per_client: 2", { env });
    const lost = await openAll(t, gateway, ONE, 2);
    const socket = connect({ port: gateway.port, host: "127.0.0.1", localAddress: DEADLY_ADDRESS });
    socket.on("error", () => {});
    await gateway.logged(({ msg }) => msg === "data thread 0 is back");
    socket.destroy();
    for (const { client } of lost) await client.ended();
    assert.equal((await openAll(t, gateway, ONE, 3)).length, 2);
  });

  it("counts clients behind a PROXY protocol header by the address in it", async (t) => {
    const gateway = await gatewayWith(t, "workers: 2, proxy_protocol: true, max_conn_per_client: 2");
    const header = (client: string) => `PROXY TCP4 ${client} 198.51.100.1 5000 80\r\n`;
    const first = await open(t, gateway, ONE, header("192.0.2.1"));
    const statuses = [first.status];
    for (const client of ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.2"])
      statuses.push((await open(t, gateway, ONE, header(client))).status);
    assert.deepEqual(statuses, [200, 200, 503, 200, 200, 503]);
    const line = await gateway.logged(({ msg }) => msg === REFUSED);
    assert.equal(line["client"], "192.0.2.1");

    const refused = await clientFrom(t, gateway.port);
    refused.send(header("192.0.2.1") + GET);
    const { status, body } = await refused.answer();
    assert.equal(status, 503);
    assert.equal(JSON.parse(body).error.code, "too_many_connections");
    assert.equal(await refused.ended(), "");

    await leave(first.client);
    await openWhenFree(t, gateway, ONE, header("192.0.2.1"));
    assert.equal((await open(t, gateway, ONE, header("192.0.2.1"))).status, 503);
    // The socket's own address is counted only where no other is named.
    const local = await open(t, gateway, ONE, "PROXY UNKNOWN\r\n");
    assert.equal(local.status, 200);
  });
});
