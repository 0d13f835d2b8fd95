// Connections of HTTP/2 through reloads, the gateway's end, and what stands before them. Real gateway process.

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it, type TestContext } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { RawBackend, RawConnection } from "../support/raw.ts";
import { answerOf, ask, openSession } from "./client.ts";
import { FrameClient, FrameType, PREFACE, request, settings } from "./frames.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

function configuration(port: number, small = "small"): string {
  return `backends: { origin: [{ host: 127.0.0.1, port: ${port} }] }
routing: { all: { upstream: origin }, small: { path: /small, respond: { body: ${small} } } }
`;
}

async function scene(t: TestContext, server = "") {
  const backend = await RawBackend.start(() => {});
  const gateway = await TestGateway.start(configuration(backend.port), { server: `h2c: true, ${server}` });
  t.after(async () => {
    await gateway.stop("SIGKILL");
    await backend.stop();
  });
  return { backend, gateway };
}

describe("at its end the gateway", { timeout: 60_000 }, () => {
  it("says GOAWAY, finishes what is under way, refuses what is new, and exits with 0", async (t) => {
    const { backend, gateway } = await scene(t);
    const client = await FrameClient.connect(gateway.port);
    const waiting = client.request(request("/"));
    const origin = await backend.connection(0);
    await origin.until("\r\n\r\n");
    const idle = await FrameClient.connect(gateway.port);
    assert.equal(await idle.outcome(idle.request(request("/small"))), "status 200");

    gateway.process.kill("SIGTERM");
    assert.equal((await client.until(FrameType.goaway)).payload.readUInt32BE(4), 0);
    await idle.connection.untilEnd();
    assert.deepEqual(idle.goaways.slice(0, 1), [0]);
    idle.destroy();
    const late = client.request(request("/small"));
    assert.ok(!client.connection.ended);
    origin.write(OK);
    assert.equal(await client.outcome(waiting), "status 200");
    await client.connection.untilEnd();
    const served = client.frames.some(({ type, stream }) => type === FrameType.headers && stream === late);
    assert.ok(!served);
    client.destroy();
    assert.equal(await gateway.exited, 0);
  });

  it("cuts what takes too long", async (t) => {
    const { backend, gateway } = await scene(t, "shutdown_timeout: 300ms");
    const session = await openSession(gateway.port);
    const answer = answerOf(session.request({ ":path": "/" }));
    await (await backend.connection(0)).until("\r\n\r\n");
    gateway.process.kill("SIGTERM");
    await assert.rejects(answer);
    await gateway.logged((line) => line["cut"] === 1 || /\bcut\b/.test(line.msg));
    await gateway.exited;
  });
});

describe("a reload", { timeout: 60_000 }, () => {
  it("leaves streams alone, and new ones of the same connection see it", async (t) => {
    const { backend, gateway } = await scene(t);
    const session = await openSession(gateway.port);
    const waiting = answerOf(session.request({ ":path": "/" }));
    const origin = await backend.connection(0);
    await origin.until("\r\n\r\n");
    assert.equal((await ask(session, { ":path": "/small" })).body, "small");
    await gateway.adopt(configuration(backend.port, "other"), { server: "h2c: true" });
    assert.equal((await ask(session, { ":path": "/small" })).body, "other");
    origin.write(OK);
    assert.equal((await waiting).body, "ok");
    assert.ok(!session.closed);
    session.destroy();
  });

  it("may allow HTTP/2 on a listener that stays, and forbid it", async (t) => {
    const { backend, gateway } = await scene(t);
    const server = `listeners: [{ host: 127.0.0.1, port: ${gateway.port} }]`;
    await gateway.adopt(configuration(backend.port), { server });
    const refused = await RawConnection.connect(gateway.port);
    refused.write(PREFACE);
    assert.match(await refused.untilEnd(), /^HTTP\/1\.1 505 /);
    await gateway.adopt(configuration(backend.port), { server: `${server}, h2c: true` });
    const session = await openSession(gateway.port);
    assert.equal((await ask(session, { ":path": "/small" })).body, "small");
    session.destroy();
  });
});

describe("a listener with h2c", { timeout: 60_000 }, () => {
  it("reads a PROXY protocol header before the preface", async (t) => {
    const { backend, gateway } = await scene(t, "proxy_protocol: true");
    const connection = await RawConnection.connect(gateway.port);
    connection.write("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n");
    connection.write(PREFACE);
    connection.write(settings());
    const client = new FrameClient(connection);
    client.request(request("/"));
    const origin = await backend.connection(0);
    assert.match(await origin.until("\r\n\r\n"), /X-Forwarded-For: 192\.0\.2\.1\r\n/);
    client.destroy();
  });

  it("counts the connections of a client, whatever they speak, until they are closed", async (t) => {
    const { gateway } = await scene(t, "max_conn_per_client: 2");
    const first = await openSession(gateway.port);
    const second = await RawConnection.connect(gateway.port);
    second.write("GET /small HTTP/1.1\r\nHost: a\r\n\r\n");
    await second.until("small");
    const third = await RawConnection.connect(gateway.port);
    assert.match(await third.untilEnd(), /^HTTP\/1\.1 503 /);
    third.destroy();
    const gone = once(first, "close");
    first.destroy();
    await gone;
    for (;;) {
      const next = await RawConnection.connect(gateway.port);
      next.write("GET /small HTTP/1.1\r\nHost: a\r\n\r\n");
      const text = await next.until(/small|503/);
      next.destroy();
      if (text.includes("small")) break;
    }
    second.destroy();
  });

  it("closes a connection that says half a preface and no more", async (t) => {
    const { gateway } = await scene(t, "read_timeout: 300ms");
    const connection = await RawConnection.connect(gateway.port);
    connection.write(PREFACE.slice(0, 10));
    assert.equal(await connection.untilEnd(), "");
    connection.destroy();
  });
});
