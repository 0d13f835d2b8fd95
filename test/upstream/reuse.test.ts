// Connections to backends: which one a request takes, how long an idle one is kept, and what a dead one means.
// Real gateway process, raw sockets on both sides.

import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { proxyTo, TestGateway } from "../support/gateway.ts";
import { answering, RawBackend, RawConnection } from "../support/raw.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/** What is not told to close stays open for longer than any test. */
const KEEP = "timeouts: { backend_keep_alive: 60s }\n";
const GET = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";

async function backendFor(
  t: TestContext,
  serve: (connection: RawConnection, index: number) => unknown,
): Promise<RawBackend> {
  const backend = await RawBackend.start(serve);
  t.after(() => backend.stop());
  return backend;
}

/** A connection to the gateway, on which `ask` can be called again and again. */
async function clientOf(t: TestContext, gateway: TestGateway): Promise<RawConnection> {
  const client = await RawConnection.connect(gateway.port);
  t.after(() => client.destroy());
  return client;
}

/** `last` is the end of the answer. */
async function ask(client: RawConnection, request: string, last: string | RegExp = "ok"): Promise<string> {
  client.take();
  client.write(request);
  return await client.until(last);
}

describe("a connection to a backend", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await TestGateway.start("routing: {}");
  });
  after(() => gateway.stop("SIGKILL"));

  it("is used again, by whichever client comes next", async (t) => {
    const backend = await backendFor(t, answering(OK));
    await gateway.adopt(KEEP + proxyTo(backend.port));
    for (let i = 0; i < 3; i++) {
      const client = await clientOf(t, gateway);
      for (let j = 0; j < 3; j++) await ask(client, GET);
    }
    assert.equal(backend.connections.length, 1);
    assert.equal(backend.text.match(/GET \/ HTTP\/1\.1\r\n/g)?.length, 9);
  });

  it("is taken again before one that has been idle for longer", async (t) => {
    const backend = await backendFor(t, () => {});
    await gateway.adopt(KEEP + proxyTo(backend.port));
    const [first, second] = [await clientOf(t, gateway), await clientOf(t, gateway)];
    const firstAnswer = ask(first, GET);
    const older = await backend.connection(0);
    await older.until("\r\n\r\n");
    const secondAnswer = ask(second, GET);
    const newer = await backend.connection(1);
    await newer.until("\r\n\r\n");
    // The older connection is free last, so that age is not what decides.
    newer.write(OK);
    await secondAnswer;
    older.write(OK);
    await firstAnswer;
    for (let i = 0; i < 3; i++) {
      older.take();
      const asked = ask(first, GET);
      await older.until("\r\n\r\n");
      older.write(OK);
      await asked;
    }
    assert.equal(backend.connections.length, 2);
    assert.equal(newer.text.split("\r\n\r\n").length - 1, 1);
  });

  it("is closed when it has been idle for backend_keep_alive", async (t) => {
    const backend = await backendFor(t, answering(OK));
    const more = "timeouts: { backend_keep_alive: 300ms }";
    await gateway.adopt(proxyTo(backend.port, more));
    const client = await clientOf(t, gateway);
    const startedAt = performance.now();
    await ask(client, GET);
    const connection = await backend.connection(0);
    assert.equal(await connection.untilGone(), "ended");
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs >= 300 && tookMs < 3000, `${tookMs} ms`);
    await ask(client, GET);
    assert.equal(backend.connections.length, 2);
  });

  it("is closed when no configuration has its backend any more, and kept when one has", async (t) => {
    const [kept, dropped] = [await backendFor(t, answering(OK)), await backendFor(t, answering(OK))];
    await gateway.adopt(`${KEEP}backends: { kept: [{ host: 127.0.0.1, port: ${kept.port} }], dropped: [{ host: 127.0.0.1, port: ${dropped.port} }] }
routing: { kept: { upstream: kept }, dropped: { path: /dropped, upstream: dropped } }`);
    const client = await clientOf(t, gateway);
    await ask(client, GET);
    await ask(client, "GET /dropped HTTP/1.1\r\nHost: test\r\n\r\n");
    await gateway.adopt(`${KEEP}backends: { kept: [{ host: 127.0.0.1, port: ${kept.port} }] }
routing: { kept: { upstream: kept } }`);
    assert.equal(await dropped.connections[0]!.untilGone(), "ended");
    await ask(client, GET);
    assert.equal(kept.connections.length, 1);
  });

  const KEPT: ReadonlyArray<readonly [what: string, request: string, response: string, last: string]> = [
    [
      "is chunked",
      GET,
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
      "0\r\n\r\n",
    ],
    ["has no body", GET, "HTTP/1.1 204 No Content\r\n\r\n", "\r\n\r\n"],
    ["is 304 with a length", GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "\r\n\r\n"],
    [
      "answers HEAD with a length",
      "HEAD / HTTP/1.1\r\nHost: test\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
      "\r\n\r\n",
    ],
    [
      "is HTTP/1.0 and says keep-alive",
      GET,
      "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
      "ok",
    ],
  ];
  for (const [what, request, response, last] of KEPT) {
    it(`is used again after a response that ${what}`, async (t) => {
      const backend = await backendFor(t, answering(response));
      await gateway.adopt(KEEP + proxyTo(backend.port));
      const client = await clientOf(t, gateway);
      for (let i = 0; i < 3; i++) await ask(client, request, last);
      assert.equal(backend.connections.length, 1);
    });
  }

  const NOT_KEPT: ReadonlyArray<readonly [what: string, response: string, last?: string]> = [
    ["says close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"],
    ["is HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"],
    ["is longer than it says", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n"],
    ["has a body where none may be", "HTTP/1.1 204 No Content\r\nX: ok\r\n\r\nbody", "\r\n\r\n"],
    ["is followed by another", `${OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`],
    [
      "is longer than its last chunk",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n0\r\n\r\n",
      "0\r\n\r\n",
    ],
  ];
  for (const [what, response, last] of NOT_KEPT) {
    it(`is not used again after a response that ${what}`, async (t) => {
      const backend = await backendFor(t, answering(response));
      await gateway.adopt(KEEP + proxyTo(backend.port));
      const client = await clientOf(t, gateway);
      for (let i = 0; i < 3; i++) {
        const answer = await ask(client, GET, last);
        assert.doesNotMatch(answer, /evil|body/);
      }
      assert.equal(backend.connections.length, 3);
      for (const connection of backend.connections) await connection.untilEnd();
    });
  }

  it("may end a body by its own end, which is no end for the client's", async (t) => {
    const backend = await backendFor(t, async (connection) => {
      await connection.until("\r\n\r\n");
      connection.write("HTTP/1.0 200 OK\r\n\r\nfirst ");
      connection.socket.end("second");
    });
    await gateway.adopt(KEEP + proxyTo(backend.port));
    const client = await clientOf(t, gateway);
    for (let i = 0; i < 2; i++) {
      const answer = await ask(client, GET, /\r\n0\r\n\r\n$/);
      const chunks = [...answer.matchAll(/^([0-9a-f]+)\r\n(.+)\r\n/gm)];
      assert.equal(chunks.map(([, , data]) => data).join(""), "first second");
    }
    assert.equal(backend.connections.length, 2);
  });

  it("is closed when something comes on it that nobody asked for", async (t) => {
    const backend = await backendFor(t, answering(OK));
    await gateway.adopt(KEEP + proxyTo(backend.port));
    const client = await clientOf(t, gateway);
    await ask(client, GET);
    const connection = await backend.connection(0);
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    await connection.untilEnd();
    assert.doesNotMatch(await ask(client, GET), /evil/);
    assert.equal(backend.connections.length, 2);
  });

  it("is closed when the response came before the end of the request", async (t) => {
    const backend = await backendFor(t, answering(OK));
    await gateway.adopt(KEEP + proxyTo(backend.port));
    const client = await clientOf(t, gateway);
    await ask(client, "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\npart");
    await (await backend.connection(0)).untilEnd();
  });

  it("is closed when its client leaves in the middle of a response", async (t) => {
    const backend = await backendFor(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok"));
    await gateway.adopt(KEEP + proxyTo(backend.port));
    const client = await clientOf(t, gateway);
    await ask(client, GET);
    client.destroy();
    await (await backend.connection(0)).untilEnd();
  });

  it("belongs to one backend, however requests to several are mixed", async (t) => {
    const backends = await Promise.all(
      ["a", "b", "c"].map((name) => {
        return backendFor(t, answering(`HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n${name}ok`));
      }),
    );
    const upstreams = backends.map(({ port }, i) => `u${i}: [{ host: 127.0.0.1, port: ${port} }]`);
    const routes = backends.map((_, i) => `r${i}: { path: /${i}, upstream: u${i} }`);
    await gateway.adopt(`${KEEP}backends: { ${upstreams.join(", ")} }\nrouting: { ${routes.join(", ")} }`);
    const run = async () => {
      const client = await clientOf(t, gateway);
      for (let i = 0; i < 60; i++) {
        const at = Math.floor(Math.random() * 3);
        const answer = await ask(client, `GET /${at}/${i} HTTP/1.1\r\nHost: test\r\n\r\n`);
        assert.ok(answer.endsWith(`${"abc"[at]}ok`), answer);
      }
    };
    await Promise.all([run(), run(), run(), run()]);
    for (const [i, backend] of backends.entries()) {
      const paths = [...backend.text.matchAll(/^GET \/(\d)/gm)].map((match) => match[1]);
      assert.deepEqual(new Set(paths), new Set([String(i)]));
      assert.ok(backend.connections.length <= 4);
    }
  });
});
