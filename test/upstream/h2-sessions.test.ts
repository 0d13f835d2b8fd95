// The HTTP/2 connections of a data thread to a backend: how many there are, what may be put on one, and what becomes of
// exchanges when one ends. Real gateway process; the backend says what it does frame by frame.

import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { ask, Client } from "../http/client.ts";
import { FrameBackend, type FrameConnection } from "../http2/frame-backend.ts";
import { ErrorCode, settings } from "../http2/frames.ts";
import { TestGateway } from "../support/gateway.ts";

const MAX_CONCURRENT_STREAMS = 3;
/** What is not told to close stays open for longer than any test. */
const KEEP = "timeouts: { backend_keep_alive: 60s }\n";
const GET = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
const POST = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody";

interface Settings {
  /** Inside of each backend. */
  readonly backend?: string;
  /** Inside of the upstream's rules. */
  readonly rules?: string;
  /** Inside of the route. */
  readonly route?: string;
}

function configFor(
  backends: readonly FrameBackend[],
  { backend = "", rules = "", route = "" }: Settings = {},
): string {
  const entries = backends.map(
    ({ port }, i) => `{ id: b${i}, host: 127.0.0.1, port: ${port}, protocol: h2, ${backend} }`,
  );
  return `${KEEP}backends: { app: [${entries.join(", ")}] }
upstreams: { app: { ejection: { enabled: false }, ${rules} } }
routing: { all: { upstream: app, load_balancer: round_robin, ${route} } }
`;
}

describe("HTTP/2 connections to a backend", { timeout: 60_000 }, () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await TestGateway.start("routing: {}");
  });
  after(() => gateway.stop("SIGKILL"));

  async function clientsOf(t: TestContext, count: number): Promise<Client[]> {
    const clients = await Promise.all(Array.from({ length: count }, () => Client.connect(gateway.port)));
    t.after(() => {
      for (const client of clients) client.close();
    });
    return clients;
  }

  async function clientOf(t: TestContext): Promise<Client> {
    return (await clientsOf(t, 1))[0]!;
  }

  const answersOk = (connection: FrameConnection, stream: number) => connection.respond(stream);

  it("carry many exchanges at once, and one after the other, on one connection", async (t) => {
    const held: Array<() => void> = [];
    const backend = await FrameBackend.start(t, (connection, stream) => {
      held.push(() => connection.respond(stream));
      if (held.length === 20) for (const answer of held) answer();
    });
    await gateway.adopt(configFor([backend]));
    const clients = await clientsOf(t, 20);
    for (const client of clients) client.send(GET);
    for (const client of clients) assert.equal((await client.answer()).body, "ok");
    assert.deepEqual([backend.connections.length, backend.requests], [1, 20]);
  });

  it("are opened as the backend allows no more streams on one", async (t) => {
    const held: Array<() => void> = [];
    const backend = await FrameBackend.start(
      t,
      (connection, stream) => {
        held.push(() => connection.respond(stream));
        if (held.length === 7) for (const answer of held) answer();
      },
      { settings: settings([MAX_CONCURRENT_STREAMS, 3]) },
    );
    await gateway.adopt(configFor([backend]));
    const clients = await clientsOf(t, 7);
    for (const client of clients) client.send(GET);
    for (const client of clients) assert.equal((await client.answer()).body, "ok");
    assert.deepEqual(backend.connections.map(({ requests }) => requests.length).sort(), [1, 3, 3]);
  });

  it("wait for the backend's SETTINGS before anything is sent", async (t) => {
    const backend = await FrameBackend.start(t, answersOk, {
      settings: Buffer.alloc(0),
      accepted: (connection) => {
        connection.isMute = true;
      },
    });
    await gateway.adopt(configFor([backend]));
    const client = await clientOf(t);
    client.send(GET);
    while (backend.connections.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const [connection] = backend.connections;
    // The preface, and the gateway's own SETTINGS and window.
    await connection!.raw.untilBytes(24 + 9);
    assert.equal(connection!.requests.length, 0);
    connection!.raw.write(settings());
    assert.equal((await client.answer()).body, "ok");
  });

  it("that allow no streams are of no use", async (t) => {
    const backend = await FrameBackend.start(t, answersOk, {
      settings: settings([MAX_CONCURRENT_STREAMS, 0]),
    });
    await gateway.adopt(configFor([backend]));
    assert.equal((await ask(gateway.port, GET)).answer.status, 502);
    await gateway.logged(({ msg }) => msg.includes("it allows no streams"));
    assert.equal(backend.requests, 0);
  });

  it("hold max_conn as exchanges at a time, and who has no place waits in the queue", async (t) => {
    const held: Array<() => void> = [];
    const backend = await FrameBackend.start(t, (connection, stream) => {
      held.push(() => connection.respond(stream));
    });
    await gateway.adopt(configFor([backend], { backend: "max_conn: 2", rules: "queue: { size: 1 }" }));
    const clients = await clientsOf(t, 3);
    for (const client of clients) client.send(GET);
    while (held.length < 2) await new Promise((resolve) => setImmediate(resolve));
    // The line is full with the third.
    let refused = 0;
    while (refused !== 503) refused = (await ask(gateway.port, GET)).answer.status;
    assert.equal(held.length, 2);
    held.shift()!();
    while (held.length < 2) await new Promise((resolve) => setImmediate(resolve));
    for (const answer of held) answer();
    for (const client of clients) assert.equal((await client.answer()).body, "ok");
    assert.equal(backend.connections.length, 1);
  });

  it("are closed with GOAWAY when nothing was under way for backend_keep_alive", async (t) => {
    const backend = await FrameBackend.start(t, answersOk);
    await gateway.adopt(configFor([backend], { route: "timeouts: { backend_keep_alive: 300ms }" }));
    await ask(gateway.port, GET);
    const [connection] = backend.connections;
    await connection!.raw.untilEnd();
    assert.ok(connection!.saidGoodBye);
    assert.equal((await ask(gateway.port, GET)).answer.body, "ok");
    assert.equal(backend.connections.length, 2);
  });

  it("stay open across a reload, and go when the backend is taken out", async (t) => {
    const [backend, other] = [await FrameBackend.start(t, answersOk), await FrameBackend.start(t, answersOk)];
    await gateway.adopt(configFor([backend]));
    await ask(gateway.port, GET);
    await gateway.adopt(configFor([backend], { backend: "max_conn: 7" }));
    await ask(gateway.port, GET);
    assert.equal(backend.connections.length, 1);
    await gateway.adopt(configFor([other]));
    await backend.connections[0]!.raw.untilEnd();
  });

  it("finish what is under way when the backend is taken out, and end then", async (t) => {
    const backend = await FrameBackend.start(t, () => {});
    const other = await FrameBackend.start(t, answersOk);
    await gateway.adopt(configFor([backend]));
    const client = await clientOf(t);
    client.send(GET);
    while (backend.requests === 0) await new Promise((resolve) => setImmediate(resolve));
    await gateway.adopt(configFor([other]));
    const [connection] = backend.connections;
    connection!.respond(1);
    assert.equal((await client.answer()).body, "ok");
    await connection!.raw.untilEnd();
  });

  // ---- GOAWAY ----

  it("take no more streams when the backend says GOAWAY, and finish those that it takes", async (t) => {
    const backend = await FrameBackend.start(t, (connection, stream) => {
      if (connection !== backend.connections[0]) connection.respond(stream);
    });
    await gateway.adopt(configFor([backend]));
    const client = await clientOf(t);
    client.send(GET);
    while (backend.requests === 0) await new Promise((resolve) => setImmediate(resolve));
    const [first] = backend.connections;
    first!.goAway(1);
    // Once the gateway has read it, the next one comes on another connection.
    while (backend.connections.length < 2)
      assert.ok((await Promise.race([ask(gateway.port, GET), asleep()])) ?? true);
    first!.respond(1, "finished");
    assert.equal((await client.answer()).body, "finished");
    await first!.raw.untilEnd();
  });

  it("send again what lies above GOAWAY, whatever it is, even to the same backend", async (t) => {
    const backend = await FrameBackend.start(t, (connection, stream) => {
      if (connection === backend.connections[0]) {
        if (connection.ended.has(stream)) connection.goAway(0);
        else connection.until(() => connection.ended.has(stream)).then(() => connection.goAway(0));
      } else connection.until(() => connection.ended.has(stream)).then(() => connection.respond(stream));
    });
    await gateway.adopt(configFor([backend]));
    const { answer } = await ask(gateway.port, POST);
    assert.equal(answer.body, "ok");
    assert.equal(backend.connections.length, 2);
    assert.equal(backend.connections[1]!.bodies.get(1), 4);
  });

  it("send nothing again that the backend may have looked at", async (t) => {
    const [first, second] = [
      await FrameBackend.start(t, (connection, stream) => {
        connection.goAway(stream);
        connection.raw.socket.end();
      }),
      await FrameBackend.start(t, answersOk),
    ];
    await gateway.adopt(configFor([first, second]));
    const statuses = [];
    for (let i = 0; i < 2; i++) statuses.push((await ask(gateway.port, POST)).answer.status);
    assert.deepEqual(statuses.sort(), [200, 502]);
  });

  // ---- refused and reset streams ----

  it("move on with what is refused, whatever it is, body and all", async (t) => {
    const refusing = await FrameBackend.start(t, (connection, stream) =>
      connection.reset(stream, ErrorCode.refusedStream),
    );
    const taking = await FrameBackend.start(t, (connection, stream) => {
      connection.until(() => connection.ended.has(stream)).then(() => connection.respond(stream));
    });
    await gateway.adopt(configFor([refusing, taking]));
    for (let i = 0; i < 4; i++) assert.equal((await ask(gateway.port, POST)).answer.body, "ok");
    assert.ok(refusing.requests > 0);
    assert.equal(taking.requests, 4);
    for (const connection of taking.connections)
      for (const stream of connection.requests) assert.equal(connection.bodies.get(stream), 4);
  });

  it("ask a backend that refuses everything a few times, and then say 503", async (t) => {
    const backend = await FrameBackend.start(t, (connection, stream) =>
      connection.reset(stream, ErrorCode.refusedStream),
    );
    await gateway.adopt(configFor([backend]));
    const { answer } = await ask(gateway.port, GET);
    assert.equal(answer.status, 503);
    assert.match(answer.body, /stream_refused/);
    assert.equal(backend.requests, 3);
    assert.equal(backend.connections.length, 1);
  });

  it("send nothing again to which an answer had begun, refused or not", async (t) => {
    const backend = await FrameBackend.start(t, (connection, stream) => {
      connection.head(stream, [[":status", "103"]]);
      connection.reset(stream, ErrorCode.refusedStream);
    });
    await gateway.adopt(configFor([backend]));
    const client = await clientOf(t);
    client.send(POST);
    assert.equal((await client.answer()).status, 103);
    assert.equal((await client.answer()).status, 502);
    assert.equal(backend.requests, 1);
  });

  const CODES = [ErrorCode.internalError, ErrorCode.cancel, ErrorCode.protocolError];
  for (const code of CODES) {
    it(`lose one stream where that is reset with ${code}: 502, or a cut response`, async (t) => {
      const backend = await FrameBackend.start(t, (connection, stream) => {
        if (backend.requests === 2) connection.respond(stream, null);
        else if (backend.requests === 3) connection.respond(stream);
        else connection.reset(stream, code);
      });
      await gateway.adopt(configFor([backend]));
      assert.equal((await ask(gateway.port, POST)).answer.status, 502);
      const client = await clientOf(t);
      client.send(GET);
      await client.connection.until("\r\n\r\n");
      backend.connections[0]!.data(3, "half");
      await client.connection.until("half");
      backend.connections[0]!.reset(3, code);
      assert.equal(await client.connection.untilGone(), "reset");
      assert.equal((await ask(gateway.port, GET)).answer.body, "ok");
      assert.equal(backend.connections.length, 1);
    });
  }

  it("repeat a GET whose stream was reset before an answer, where the route wants it", async (t) => {
    const backends = [
      await FrameBackend.start(t, (connection, stream) => connection.reset(stream, ErrorCode.internalError)),
      await FrameBackend.start(t, answersOk),
    ];
    await gateway.adopt(configFor(backends, { route: "retry: { attempts: 2, on: [closed] }" }));
    for (let i = 0; i < 2; i++) assert.equal((await ask(gateway.port, GET)).answer.body, "ok");
    assert.ok(backends[0]!.requests > 0);
  });

  it("tell the backend of a client that went away with CANCEL, and never that half a body is whole", async (t) => {
    const backend = await FrameBackend.start(t, () => {});
    await gateway.adopt(configFor([backend]));
    const client = await clientOf(t);
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 8\r\n\r\nhalf");
    while (backend.requests === 0) await new Promise((resolve) => setImmediate(resolve));
    const [connection] = backend.connections;
    await connection!.until(() => connection!.bodies.get(1) === 4);
    client.close();
    await connection!.until(() => connection!.resets.has(1));
    assert.equal(connection!.resets.get(1), ErrorCode.cancel);
    assert.ok(!connection!.ended.has(1));
  });

  it("reset a request that was answered before it was whole, and never end it", async (t) => {
    const backend = await FrameBackend.start(t, (connection, stream) => connection.respond(stream, "early"));
    await gateway.adopt(configFor([backend]));
    const client = await clientOf(t);
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 8\r\n\r\nhalf");
    assert.equal((await client.answer()).body, "early");
    const [connection] = backend.connections;
    await connection!.until(() => connection!.resets.has(1));
    assert.ok(!connection!.ended.has(1));
    assert.equal((await ask(gateway.port, GET)).answer.body, "early");
    assert.equal(backend.connections.length, 1);
  });

  // ---- connections that break ----

  it("that break fail every exchange on them once, and the next one opens another", async (t) => {
    const backend = await FrameBackend.start(t, (connection, stream) => {
      if (backend.connections.length > 1) connection.respond(stream);
      else if (connection.requests.length === 5) connection.raw.socket.resetAndDestroy();
    });
    await gateway.adopt(configFor([backend], { route: "retry: { attempts: 1 }" }));
    const clients = await clientsOf(t, 5);
    for (const client of clients) client.send(POST);
    for (const client of clients) assert.equal((await client.answer()).status, 502);
    assert.equal((await ask(gateway.port, GET)).answer.body, "ok");
  });

  it("that were closed while unused are no fault: a GET goes out again on a new one", async (t) => {
    const backend = await FrameBackend.start(t, (connection, stream) => {
      if (connection.requests.length === 1) connection.respond(stream);
      // The second request crosses the close.
      else connection.raw.socket.resetAndDestroy();
    });
    await gateway.adopt(configFor([backend]));
    for (let i = 0; i < 2; i++) assert.equal((await ask(gateway.port, GET)).answer.body, "ok");
    assert.equal(backend.connections.length, 2);
  });

  it("deliver a whole response that a slow client had not taken when the backend closed", async (t) => {
    const size = 200_000;
    const backend = await FrameBackend.start(t, (connection, stream) => {
      connection.head(stream, [[":status", "200"]]);
      for (let sent = 0; sent < size; sent += 10_000) connection.data(stream, Buffer.alloc(10_000, "x"));
      connection.data(stream, "", true);
      connection.raw.socket.end();
    });
    await gateway.adopt(configFor([backend]));
    const client = await clientOf(t);
    client.connection.socket.pause();
    client.send(GET);
    while (backend.requests === 0) await new Promise((resolve) => setImmediate(resolve));
    await backend.connections[0]!.raw.untilEnd();
    client.connection.socket.resume();
    assert.equal((await client.answer()).body.length, size);
  });

  it("on which the backend is silent are tried with a PING, and given up where no answer comes", async (t) => {
    const backend = await FrameBackend.start(t, (connection, stream) => {
      if (backend.connections.length === 1) connection.isMute = true;
      else connection.respond(stream);
    });
    await gateway.adopt(
      configFor([backend], { route: "timeouts: { response: 300ms }, retry: { attempts: 1 }" }),
    );
    assert.equal((await ask(gateway.port, GET)).answer.status, 504);
    // Meanwhile nothing is put on it.
    assert.equal((await ask(gateway.port, GET)).answer.body, "ok");
    const [first] = backend.connections;
    await first!.raw.untilEnd();
    assert.equal(first!.pings, 1);
  });

  it("on which a PING is answered go on", async (t) => {
    const backend = await FrameBackend.start(t, (connection, stream) => {
      if (backend.requests > 1) connection.respond(stream);
    });
    await gateway.adopt(
      configFor([backend], { route: "timeouts: { response: 300ms }, retry: { attempts: 1 }" }),
    );
    assert.equal((await ask(gateway.port, GET)).answer.status, 504);
    const [first] = backend.connections;
    await first!.until(() => first!.pings === 1 && first!.resets.has(1));
    while (backend.connections[0]!.requests.length < 2)
      assert.equal((await ask(gateway.port, GET)).answer.body, "ok");
  });
});

/** A moment, in which nothing need happen. */
function asleep(): Promise<null> {
  return new Promise((resolve) => setTimeout(resolve, 20, null));
}
