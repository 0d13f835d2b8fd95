// Connections beyond `max_conn`, and beyond what the open-file limit allows. Real gateway processes.

import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Client } from "../http/client.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { proxyTo, TestGateway } from "../support/gateway.ts";
import { answering, RawBackend } from "../support/raw.ts";

const GET = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
const HELLO = 'routing: { all: { respond: { body: "hello" } } }\n';
const REFUSED = "connection refused: max_conn is reached";

/** Connects and asks. The connection stays open where the answer is not a refusal. */
async function open(t: TestContext, gateway: TestGateway): Promise<{ client: Client; status: number }> {
  const client = await Client.connect(gateway.port);
  t.after(() => client.close());
  client.send(GET);
  return { client, status: (await client.answer()).status };
}

describe("max_conn", { timeout: 120_000 }, () => {
  for (const workers of [1, 2]) {
    it(`is exact over ${workers} data thread${workers === 1 ? "" : "s"}`, async (t) => {
      const server = `max_conn: 10, workers: ${workers}`;
      const gateway = await TestGateway.start(HELLO, { server });
      t.after(() => gateway.stop("SIGKILL"));
      const opened = [];
      for (let i = 0; i < 10; i++) opened.push(await open(t, gateway));
      assert.deepEqual(
        opened.map(({ status }) => status),
        Array(10).fill(200),
      );

      const beyond = await Client.connect(gateway.port);
      beyond.send(GET);
      const { status, fields, body } = await beyond.answer();
      assert.equal(status, 503);
      assert.deepEqual(JSON.parse(body), {
        error: { code: "too_many_connections", status: 503, message: "too many clients" },
      });
      assert.deepEqual([valuesOf(fields, "connection"), valuesOf(fields, "retry-after")], [["close"], ["1"]]);
      assert.equal(await beyond.ended(), "");
      beyond.close();
      const line = await gateway.logged(({ msg }) => msg === REFUSED);
      assert.deepEqual([line.level, line["max_conn"], line["client"]], ["warn", 10, "127.0.0.1"]);

      // The others are served, and one that goes makes room for one, not more.
      const [first, ...rest] = opened;
      for (const { client } of rest) {
        client.send(GET);
        assert.equal((await client.answer()).status, 200);
      }
      first!.client.connection.socket.end();
      await first!.client.ended();
      let refused = 1;
      // Another data thread may hear of it a moment later.
      let next = await open(t, gateway);
      for (; next.status === 503; next = await open(t, gateway)) refused++;
      assert.equal((await open(t, gateway)).status, 503);
      refused++;

      for (const { client } of [...rest, next]) client.close();
      gateway.process.kill("SIGTERM");
      const totals = await gateway.logged(({ msg }) => msg === "stopped");
      assert.equal(totals["refused_connections"], refused);
    });
  }

  it("may be raised and lowered by a reload", async (t) => {
    const gateway = await TestGateway.start(HELLO, { server: "max_conn: 1" });
    t.after(() => gateway.stop("SIGKILL"));
    const { client } = await open(t, gateway);
    assert.equal((await open(t, gateway)).status, 503);
    await gateway.adopt(HELLO, { server: "max_conn: 2" });
    assert.equal((await open(t, gateway)).status, 200);
    await gateway.adopt(HELLO, { server: "max_conn: 1" });
    assert.equal((await open(t, gateway)).status, 503);
    client.send(GET);
    assert.equal((await client.answer()).status, 200);
  });
});

describe("under a low limit on open files", { timeout: 120_000 }, () => {
  const ALLOWED = 30;
  const CASES = [
    { workers: 2, files: 232 },
    { workers: 8, files: 492 },
  ];
  for (const { workers, files } of CASES) {
    it(`max_conn is lowered, and what comes beyond is refused while others are served, by ${workers} data threads`, async (t) => {
      const backend = await RawBackend.start(answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
      t.after(() => backend.stop());
      const gateway = await TestGateway.start(proxyTo(backend.port), {
        server: `max_conn: 10000000, workers: ${workers}`,
        prefix: ["prlimit", `--nofile=${files}:${files}`],
      });
      t.after(() => gateway.stop("SIGKILL"));
      const { level, msg } = await gateway.logged((line) => line.msg.includes("max_conn"));
      const why = `this process may open ${files} files (two per proxied connection)`;
      assert.deepEqual(
        [level, msg],
        ["warn", `server.max_conn 10000000: lowered to ${ALLOWED}, because ${why}`],
      );

      const served: Client[] = [];
      for (let i = 0; i < ALLOWED; i++) {
        const { client, status } = await open(t, gateway);
        assert.equal(status, 200);
        served.push(client);
      }
      // Far more than there are files; some are told why, the others are closed.
      const crowd = await Promise.all(Array.from({ length: 400 }, () => Client.connect(gateway.port)));
      for (const client of served) client.send(GET);
      for (const client of served) assert.equal((await client.answer()).status, 200);
      const texts = await Promise.all(crowd.map((client) => client.ended()));
      for (const client of crowd) client.close();
      const told = texts.filter((text) => text !== "");
      assert.ok(told.length > 0);
      for (const text of told) assert.match(text, /^HTTP\/1\.1 503 .+"code":"too_many_connections"/s);

      for (const client of served) client.send(GET);
      for (const client of served) assert.equal((await client.answer()).status, 200);
      for (const client of served) client.close();
      gateway.process.kill("SIGTERM");
      const totals = await gateway.logged((line) => line.msg === "stopped");
      assert.equal(totals["refused_connections"], 400);
      assert.ok(gateway.log.every((line) => line.level !== "error"));
    });
  }

  it("max_conn is what the limit allows where it is not set, without a word", async (t) => {
    const gateway = await TestGateway.start(HELLO, { prefix: ["prlimit", "--nofile=110:110"] });
    t.after(() => gateway.stop("SIGKILL"));
    assert.equal((await open(t, gateway)).status, 200);
    assert.equal((await open(t, gateway)).status, 503);
    assert.ok(!gateway.log.some(({ msg }) => msg.startsWith("server.max_conn")));
  });
});
