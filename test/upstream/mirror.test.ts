// Copies of requests for another upstream: what is copied, whole and to the byte, and what is not. Real gateway process.

import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import fc from "fast-check";
import { Client } from "../http/client.ts";
import { Origin, type SeenRequest } from "../http/origin.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { TestGateway } from "../support/gateway.ts";
import { RawBackend } from "../support/raw.ts";

const BOUND = 65_536;

const EVERY_BYTE = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join("");

function post(body: string, more = ""): string {
  return `POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`;
}

function chunked(chunks: readonly string[], trailers = ""): string {
  const text = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join("");
  return `PUT /upload HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n${text}0\r\n${trailers}\r\n`;
}

const COPIED: Readonly<Record<string, string>> = {
  "a GET": "GET /a/b?c=d HTTP/1.1\r\nHost: shop.example:81\r\nX-A: 1\r\nCookie: a=b\r\nx-a: \xe9\r\n\r\n",
  "a HEAD": "HEAD / HTTP/1.1\r\nHost: test\r\n\r\n",
  "an OPTIONS *": "OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n",
  "a DELETE": "DELETE /1 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
  "a POST with an empty body": post(""),
  "a short body": post("body"),
  "a body of every byte": post(EVERY_BYTE.repeat(10)),
  "a body that is written apart from its head": post(EVERY_BYTE.repeat(100)),
  "a body as long as the bound": post("b".repeat(BOUND)),
  "a chunked body": chunked(["one", "two, a longer one", EVERY_BYTE]),
  "an empty chunked body": chunked([]),
  "a long chunked body": chunked([EVERY_BYTE.repeat(90), "b", EVERY_BYTE.repeat(80)]),
  "a chunked body as long as the bound": chunked(["b".repeat(BOUND - 1), "c"]),
  "a chunked body with a trailer": chunked(["body"], "X-Sum: 1\r\n"),
  "a body that waits for 100 Continue": post("body", "Expect: 100-continue\r\n"),
};

const NOT_COPIED: Readonly<Record<string, string>> = {
  "a body longer than the bound": post("b".repeat(BOUND + 1)),
  "a chunked body that turns out longer than the bound": chunked(["b".repeat(BOUND), "c"]),
  "a request for another protocol":
    "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
};

let gateway: TestGateway;
let main: Origin;
let shadow: Origin;
before(async () => {
  main = await Origin.start();
  shadow = await Origin.start();
  gateway = await TestGateway.start("routing: {}");
});
after(async () => {
  await gateway.stop("SIGKILL");
  await main.stop();
  await shadow.stop();
});

interface Setting {
  /** The inside of `mirror`, beside the upstream. */
  readonly mirror?: string;
  /** The inside of the route. */
  readonly route?: string;
  /** More members of the upstream `main`, before the real one. */
  readonly others?: string;
  readonly more?: string;
}

/** A client of a route with a mirror, and of another at `/marker`, of which every request is copied. */
async function scene(t: TestContext, { mirror = "", route = "", others = "", more = "" }: Setting = {}) {
  await gateway.adopt(`
backends:
  main: [${others}{ id: last, host: 127.0.0.1, port: ${main.port} }]
  shadow: [{ host: 127.0.0.1, port: ${shadow.port} }]
  down: [{ host: 127.0.0.1, port: 1 }]
routing:
  all: { upstream: main, mirror: { upstream: shadow, ${mirror} }, ${route} }
  down: { path: /down, upstream: down, mirror: { upstream: shadow } }
  marker: { path: /marker, upstream: main, mirror: { upstream: shadow } }
${more}`);
  main.reset();
  shadow.reset();
  const client = await Client.connect(gateway.port);
  t.after(() => client.close());
  return client;
}

async function copies(t: TestContext, count: number): Promise<readonly SeenRequest[]> {
  const enough = () => assert.ok(shadow.requests.length >= count, `${shadow.requests.length} of ${count}`);
  await t.waitFor(enough, { interval: 2, timeout: 10_000 });
  return shadow.requests;
}

/**
 * Copies are sent in the order in which requests end: what is not there when the marker is was not copied. Those that are
 * expected must be there before, as each may have a connection of its own.
 */
async function copiesBeforeMarker(t: TestContext): Promise<readonly SeenRequest[]> {
  const client = await Client.connect(gateway.port);
  client.send("GET /marker HTTP/1.1\r\nHost: test\r\n\r\n");
  await client.answer();
  client.close();
  const isMarker = ({ target }: SeenRequest) => target === "/marker";
  await t.waitFor(() => assert.ok(shadow.requests.some(isMarker)), { interval: 2, timeout: 10_000 });
  return shadow.requests.filter((request) => !isMarker(request));
}

function withoutConnection({ connection: _, ...request }: SeenRequest): Omit<SeenRequest, "connection"> {
  return request;
}

describe("a mirror", { timeout: 120_000 }, () => {
  for (const [what, text] of Object.entries(COPIED)) {
    it(`gets what the backend gets: ${what}`, async (t) => {
      const client = await scene(t);
      client.send(text);
      let answer = await client.answer(/^[A-Z]+/.exec(text)![0]);
      if (answer.status === 100) answer = await client.answer();
      assert.equal(answer.status, 200);
      await copies(t, 1);
      assert.deepEqual(withoutConnection(shadow.only), withoutConnection(main.only));
    });
  }

  it("gets every body to the byte, however it came in", async (t) => {
    const client = await scene(t);
    const anyBody = fc.array(fc.uint8Array({ minLength: 1, maxLength: 4000 }), { maxLength: 8 });
    const property = fc.asyncProperty(
      anyBody,
      fc.boolean(),
      fc.array(fc.nat(20_000)),
      async (bytes, isChunked, cuts) => {
        const pieces = bytes.map((piece) => Buffer.from(piece).toString("latin1"));
        const text = isChunked ? chunked(pieces) : post(pieces.join(""));
        shadow.reset();
        let at = 0;
        for (const cut of [...cuts.sort((a, b) => a - b), text.length]) {
          client.send(text.slice(at, cut));
          at = Math.max(at, cut);
          await new Promise(setImmediate);
        }
        assert.equal((await client.answer()).status, 200);
        await copies(t, 1);
        assert.equal(shadow.only.body, pieces.join(""));
      },
    );
    await fc.assert(property, { numRuns: 50 });
  });

  it("gets path and Host as the route forwards them", async (t) => {
    const client = await scene(t, { route: "path: /api, strip_prefix: true, rewrite: '/v2{path}{query}'" });
    client.send("GET /api/users?id=1 HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    await client.answer();
    await copies(t, 1);
    assert.equal(shadow.only.target, "/v2/users?id=1");
    assert.deepEqual(shadow.valuesOf("host"), ["shop.example"]);
  });

  it("is its own host to a client that names none", async (t) => {
    const client = await scene(t);
    client.send("GET / HTTP/1.0\r\n\r\n");
    await client.answer();
    await copies(t, 1);
    assert.deepEqual(shadow.valuesOf("host"), [`127.0.0.1:${shadow.port}`]);
    assert.deepEqual(main.valuesOf("host"), [`127.0.0.1:${main.port}`]);
  });

  for (const [what, text] of Object.entries(NOT_COPIED)) {
    it(`gets no copy: ${what}`, async (t) => {
      const client = await scene(t);
      client.send(text);
      assert.equal((await client.answer()).status, 200);
      assert.deepEqual(await copiesBeforeMarker(t), []);
    });
  }

  it("gets no copy of a request that never became whole", async (t) => {
    const client = await scene(t);
    client.send(post("body").slice(0, -1));
    const reached = () => main.backend.connections.find(({ text }) => text.endsWith("\r\n\r\nbod"));
    await t.waitFor(() => assert.ok(reached()), { interval: 2, timeout: 10_000 });
    client.close();
    await reached()!.untilGone();
    assert.deepEqual(await copiesBeforeMarker(t), []);
  });

  it("gets no copy of a request that no backend got", async (t) => {
    const client = await scene(t);
    client.send("GET /down HTTP/1.1\r\nHost: test\r\n\r\n");
    assert.equal((await client.answer()).status, 502);
    assert.deepEqual(await copiesBeforeMarker(t), []);
  });

  it("gets one copy of a request that was sent twice", async (t) => {
    const closing = await RawBackend.start((connection) => {
      connection.socket.once("data", () => connection.socket.end());
    });
    t.after(() => closing.stop());
    const client = await scene(t, {
      others: `{ id: first, host: 127.0.0.1, port: ${closing.port} }, `,
      route: "load_balancer: round_robin",
    });
    client.send(chunked(["body"]));
    assert.equal((await client.answer()).status, 200);
    assert.ok(closing.text.endsWith("\r\n0\r\n\r\n"));
    await copies(t, 1);
    const [copy, ...more] = await copiesBeforeMarker(t);
    assert.equal(copy?.body, "body");
    assert.deepEqual(more, []);
  });

  it("keeps its copy when the client goes after the request was whole", async (t) => {
    const client = await scene(t);
    main.answer = () => null;
    shadow.answer = () => null;
    client.send(post("body"));
    const [copy] = await copies(t, 1);
    const { connection: index } = copy!;
    const connection = shadow.backend.connections[index]!;
    client.close();
    await main.backend.connections[main.only.connection]!.untilGone();
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    main.reset();
    shadow.reset();
    const next = await Client.connect(gateway.port);
    next.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    await next.answer();
    next.close();
    // The connection was not closed with the client's: its answer was read, and it is used again.
    await copies(t, 1);
    assert.equal(shadow.only.connection, index);
  });

  it("gets its share of the requests", async (t) => {
    const client = await scene(t, { mirror: "share: 50%" });
    const requests = 1000;
    for (let i = 0; i < requests; i++) {
      client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
      await client.answer();
    }
    const { length } = await copiesBeforeMarker(t);
    const spread = 6 * Math.sqrt(requests / 4);
    assert.ok(Math.abs(length - requests / 2) <= spread, `${length} of ${requests}`);
  });

  it("gets nothing where its share is 0", async (t) => {
    const client = await scene(t, { mirror: "share: 0" });
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    await client.answer();
    assert.deepEqual(await copiesBeforeMarker(t), []);
  });

  it("gets its copies on connections that are used again", async (t) => {
    const client = await scene(t);
    for (let i = 0; i < 200; i++) {
      client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
      await client.answer();
    }
    const used = new Set((await copies(t, 200)).map(({ connection }) => connection));
    assert.ok(used.size <= 20, `${used.size} connections`);
  });

  it("gets copies of what a split sends to either upstream", async (t) => {
    const client = await scene(t, {
      more: "  split: { path: /split, split: { to: { main: 1, down: 1 }, by: 'header:x-user' }, mirror: { upstream: shadow } }",
    });
    const answered: string[] = [];
    for (let user = 0; user < 20; user++) {
      client.send(`GET /split HTTP/1.1\r\nHost: test\r\nX-User: user-${user}\r\n\r\n`);
      if ((await client.answer()).status === 200) answered.push(`user-${user}`);
    }
    assert.ok(answered.length > 0 && answered.length < 20);
    await copies(t, answered.length);
    const copied = (await copiesBeforeMarker(t)).flatMap(({ fields }) => valuesOf(fields, "x-user"));
    assert.deepEqual(copied.sort(), answered.sort());
  });
});
