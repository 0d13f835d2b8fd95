// Mirrors that are slow, sick or gone, and what keeps them from the client: its answers and its time stay as they are
// without one, and what copies take is bounded. Real gateway process.

import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { Client } from "../http/client.ts";
import { Blackhole } from "../support/blackhole.ts";
import { TestGateway } from "../support/gateway.ts";
import { RawBackend, type RawConnection } from "../support/raw.ts";

const GET = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/** Ends what a backend here takes for a request. */
const END = "\r\n\r\n";
const BODY = `${"b".repeat(20_000)}${END}`;
const POST = `POST / HTTP/1.1\r\nHost: test\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;

/** Calls back with each request of a connection, which is forgotten. Only one of them comes at a time. */
function onRequest(connection: RawConnection, serve: (head: string) => void): void {
  connection.socket.on("data", (chunk: Buffer) => {
    const isWhole = connection.length > BODY.length || !connection.text.startsWith("POST");
    if (isWhole && chunk.subarray(-END.length).equals(Buffer.from(END))) serve(connection.take());
  });
}

function answers(text: string) {
  return (connection: RawConnection) => onRequest(connection, () => connection.write(text));
}

/** Sends again and again for as long as the connection is open. */
function drips(connection: RawConnection, text: string): void {
  const timer = setInterval(() => connection.write(text), 20);
  connection.socket.on("close", () => clearInterval(timer));
}

/** What a mirror does with its connections. */
const SICK: Readonly<Record<string, (connection: RawConnection) => unknown>> = {
  "never answers": () => {},
  "takes nothing": ({ socket }) => socket.pause(),
  "is slow": (connection) =>
    onRequest(connection, () => void setTimeout(() => connection.write(OK), 300).unref()),
  "answers 500": answers("HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno"),
  "answers rubbish": answers("rubbish\r\n\r\n"),
  "answers half a head": answers("HTTP/1.1 200 O"),
  "answers twice": answers(OK + OK),
  "answers before it is asked": (connection) => connection.write(OK),
  "switches to a protocol that nobody offered": answers(
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  ),
  "breaks off in the middle of its answer": (connection) =>
    onRequest(connection, () => connection.socket.end(OK.slice(0, -1))),
  "never ends its answer": (connection) => {
    onRequest(connection, () => {
      connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      drips(connection, "1\r\nx\r\n");
    });
  },
  "never ends its interim answers": (connection) => {
    onRequest(connection, () => drips(connection, "HTTP/1.1 102 Processing\r\n\r\n"));
  },
  "closes at a request": (connection) => onRequest(connection, () => connection.socket.end()),
  "resets at a request": (connection) => onRequest(connection, () => connection.socket.resetAndDestroy()),
  "closes at once": ({ socket }) => socket.end(),
  "resets at once": ({ socket }) => socket.resetAndDestroy(),
};

const REQUESTS = 60;

/** Milliseconds that these requests take one after the other, every one answered as by a backend alone. */
async function timeOfRequests(port: number): Promise<number> {
  const client = await Client.connect(port);
  const start = performance.now();
  for (let i = 0; i < REQUESTS; i++) {
    client.send(i % 2 === 0 ? GET : POST);
    const { status, body } = await client.answer();
    assert.equal(`${status} ${body}`, "200 ok");
  }
  client.close();
  return performance.now() - start;
}

let gateway: TestGateway;
let main: RawBackend;
before(async () => {
  main = await RawBackend.start(answers(OK));
  gateway = await TestGateway.start("routing: {}", { server: "workers: 2" });
});
after(async () => {
  await gateway.stop("SIGKILL");
  await main.stop();
});

interface Setting {
  /** The inside of the mirror's backend. */
  readonly backend?: string;
  readonly mirror?: string;
  readonly route?: string;
  /** The inside of the rules of the mirror's upstream. */
  readonly rules?: string;
}

/** Another one for each configuration: of one mirror, only ten lines in ten seconds are logged. */
let shadow = "";
let shadows = 0;

async function adopt(port: number, setting: Setting = {}): Promise<void> {
  shadow = `shadow${++shadows}`;
  await gateway.adopt(configOf(port, setting), { server: "workers: 2" });
}

function configOf(port: number, { backend = "", mirror = "", route = "", rules = "" }: Setting): string {
  return `
backends:
  main: [{ host: 127.0.0.1, port: ${main.port} }]
  ${shadow}: [{ host: 127.0.0.1, port: ${port}, ${backend} }]
upstreams: { ${shadow}: { ${rules} } }
routing:
  all: { upstream: main, mirror: { upstream: ${shadow}, ${mirror} }, ${route} }
  direct: { path: /direct, upstream: ${shadow} }
`;
}

async function mirrorOf(t: TestContext, serve: (connection: RawConnection) => unknown): Promise<RawBackend> {
  const mirror = await RawBackend.start(serve);
  t.after(() => mirror.stop());
  return mirror;
}

async function connect(t: TestContext, count = 1): Promise<Client[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => Client.connect(gateway.port)));
  t.after(() => {
    for (const client of clients) client.close();
  });
  return clients;
}

/** Each of the clients asks so many times. */
async function askAll(clients: readonly Client[], times: number, text = GET): Promise<void> {
  const asked = clients.map(async (client) => {
    for (let i = 0; i < times; i++) {
      client.send(text);
      assert.equal((await client.answer()).status, 200);
    }
  });
  await Promise.all(asked);
}

/** The first log line about the mirror with that text and reason. */
function said(msg: string, reason: RegExp) {
  return gateway.logged((line) => {
    return line["upstream"] === shadow && line.msg === msg && reason.test(String(line["reason"] ?? ""));
  });
}

async function eventually(t: TestContext, check: () => void): Promise<void> {
  await t.waitFor(check, { interval: 5, timeout: 10_000 });
}

describe("a client does not feel a mirror that", { timeout: 120_000 }, () => {
  let alone = 0;
  before(async () => {
    await gateway.adopt(`backends: { main: [{ host: 127.0.0.1, port: ${main.port} }] }
routing: { all: { upstream: main } }`);
    await timeOfRequests(gateway.port);
    alone = Math.max(await timeOfRequests(gateway.port), 200);
  });

  async function assertUnfelt(): Promise<void> {
    const ms = await timeOfRequests(gateway.port);
    assert.ok(ms < 10 * alone, `${REQUESTS} requests took ${ms} ms, and ${alone} ms without the mirror`);
  }

  for (const [what, serve] of Object.entries(SICK)) {
    it(what, async (t) => {
      await adopt((await mirrorOf(t, serve)).port);
      await assertUnfelt();
    });
  }

  it("refuses connections", async () => {
    const gone = await RawBackend.start(() => {});
    const { port } = gone;
    await gone.stop();
    await adopt(port);
    await assertUnfelt();
    await said("a request was not copied", /ECONNREFUSED/);
  });

  it("is behind a silent firewall", async (t) => {
    const blackhole = await Blackhole.start();
    t.after(() => blackhole.stop());
    await adopt(blackhole.port);
    await assertUnfelt();
  });
});

describe("a copy", { timeout: 120_000 }, () => {
  it("never waits for a place: beyond max_conn over all data threads there is none", async (t) => {
    const held: RawConnection[] = [];
    let most = 0;
    const mirror = await mirrorOf(t, (connection) => {
      onRequest(connection, () => held.push(connection));
      most = Math.max(most, mirror.connections.filter(({ closed }) => !closed).length);
    });
    await adopt(mirror.port, { backend: "max_conn: 3", route: "timeouts: { backend_keep_alive: 60s }" });
    const clients = await connect(t, 16);
    await askAll(clients, 10);
    await eventually(t, () => assert.equal(held.length, 3));
    await said("a request was not copied", /max_conn/);
    assert.equal(mirror.connections.length, 3);
    // What was dropped is not made up for; what comes now has the places that are free again.
    for (const connection of held.splice(0)) connection.write(OK);
    await eventually(t, () => {
      for (const client of clients) client.send(GET);
      assert.ok(held.length > 0);
    });
    assert.equal(mirror.connections.length, 3);
    assert.equal(most, 3);
  });

  it("goes behind exchanges that wait for the same upstream", async (t) => {
    const held: Array<{ connection: RawConnection; head: string }> = [];
    const mirror = await mirrorOf(t, (connection) => {
      onRequest(connection, (head) => held.push({ connection, head }));
    });
    await adopt(mirror.port, { backend: "max_conn: 1" });
    const [first, second, other] = await connect(t, 3);
    for (const client of [first!, second!]) client.send("GET /direct HTTP/1.1\r\nHost: test\r\n\r\n");
    await eventually(t, () => assert.equal(held.length, 1));
    await askAll([other!], 5);
    await said("a request was not copied", /wait for the upstream|max_conn/);
    held[0]!.connection.write(OK);
    await eventually(t, () => assert.equal(held.length, 2));
    held[1]!.connection.write(OK);
    for (const client of [first!, second!]) assert.equal((await client.answer()).status, 200);
    assert.deepEqual(
      held.map(({ head }) => head.slice(0, 11)),
      ["GET /direct", "GET /direct"],
    );
  });

  it("is given up when its answer does not begin in time", async (t) => {
    const mirror = await mirrorOf(t, () => {});
    await adopt(mirror.port, { route: "timeouts: { response: 300ms }" });
    await askAll(await connect(t), 1);
    await (await mirror.connection(0)).untilGone();
    await said("the copy of a request failed", /did not answer in time/);
  });

  it("is given up when its answer does not end in time", async (t) => {
    const mirror = await mirrorOf(t, SICK["never ends its answer"]!);
    await adopt(mirror.port, { route: "timeouts: { response: 300ms }" });
    await askAll(await connect(t), 1);
    await (await mirror.connection(0)).untilGone();
  });

  it("counts as an exchange of its upstream: failures eject a backend, and then there are no copies", async (t) => {
    const mirror = await mirrorOf(t, answers("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"));
    await adopt(mirror.port, { rules: "ejection: { failures: 3, max_share: 100% }" });
    const [client] = await connect(t);
    await eventually(t, () => {
      client!.send(GET);
      assert.ok(gateway.log.some((line) => line["upstream"] === shadow && line.msg === "backend ejected"));
    });
    await said("a request was not copied", /no backend is up/);
  });

  it("counts for the circuit of its upstream", async (t) => {
    const held: RawConnection[] = [];
    const mirror = await mirrorOf(t, (connection) => onRequest(connection, () => held.push(connection)));
    await adopt(mirror.port, { rules: "circuit_breaker: { pending: 2 }" });
    const [client] = await connect(t);
    for (let round = 0; round < 3; round++) {
      await eventually(t, () => {
        client!.send(GET);
        assert.equal(held.length, 2);
      });
      for (const connection of held.splice(0)) connection.write(OK);
    }
    await said("a request was not copied", /2 pending exchanges/);
  });

  it("does not hold up the end of the gateway", async (t) => {
    const mirror = await mirrorOf(t, () => {});
    const own = await TestGateway.start(configOf(mirror.port, {}), { server: "shutdown_timeout: 40s" });
    const client = await Client.connect(own.port);
    client.send(GET);
    await client.answer();
    await (await mirror.connection(0)).until(END);
    const start = performance.now();
    assert.equal(await own.stop(), 0);
    assert.ok(performance.now() - start < 20_000);
    client.close();
  });

  it("goes on over a reload that takes its mirror away", async (t) => {
    const mirror = await mirrorOf(t, () => {});
    await adopt(mirror.port);
    await askAll(await connect(t), 1);
    const copy = await mirror.connection(0);
    await copy.until(END);
    await adopt(main.port);
    copy.write(OK);
    assert.equal(await copy.untilGone(), "ended");
  });
});

describe("copies of one data thread", { timeout: 120_000 }, () => {
  it("are at most 1000 at a time", async (t) => {
    const mirror = await mirrorOf(t, () => {});
    await adopt(mirror.port, { backend: "max_conn: 5000" });
    await askAll(await connect(t), 1100);
    await eventually(t, () => assert.equal(mirror.connections.length, 1000));
    await said("a request was not copied", /1000 copies are under way/);
    for (const connection of mirror.connections) connection.destroy();
    const [client] = await connect(t);
    await eventually(t, () => {
      client!.send(GET);
      assert.ok(mirror.connections.length > 1000);
    });
  });

  it("hold at most 64 MB of bodies", async (t) => {
    const mirror = await mirrorOf(t, ({ socket }) => socket.pause());
    await adopt(mirror.port, { mirror: "body: 16mb" });
    const body = `${"b".repeat(16 * 1024 * 1024 - END.length)}${END}`;
    const text = `POST / HTTP/1.1\r\nHost: test\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    await askAll(await connect(t), 6, text);
    await said("a request was not copied", /bodies of 67108864 bytes are under way/);
    assert.equal(mirror.connections.length, 4);
  });
});

it("a backend of the mirror that breaks off every answer is ejected", { timeout: 120_000 }, async (t) => {
  const sick = await RawBackend.start(SICK["breaks off in the middle of its answer"]!);
  const well = await RawBackend.start(answers(OK));
  t.after(() => Promise.all([sick.stop(), well.stop()]));
  const list = [sick, well].map(({ port }, i) => `{ id: b${i}, host: 127.0.0.1, port: ${port} }`);
  await gateway.adopt(`backends: { main: [{ host: 127.0.0.1, port: ${main.port} }], copies: [${list.join(", ")}] }
upstreams: { copies: { ejection: { failures: 3 } } }
routing: { all: { upstream: main, mirror: { upstream: copies } } }
`);
  const client = await Client.connect(gateway.port);
  t.after(() => client.close());
  const ejected = gateway.logged((line) => line.msg === "backend ejected" && line["upstream"] === "copies");
  let isEjected = false;
  void ejected.then(() => {
    isEjected = true;
  });
  // Half of the copies go to the sick one, and each of its answers begins well.
  while (!isEjected) {
    client.send(GET);
    assert.equal((await client.answer()).status, 200);
  }
  assert.equal((await ejected)["backend"], "b0");
});
