// Many requests for one resource that is not kept yet: one of them is fetched, and the others lose nothing by waiting for it.
// Runs against gateways in processes of their own, on real sockets.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import type { Answer, Client } from "../http/client.ts";
import { valuesOf } from "../http/strict-reading.ts";
import type { RawConnection } from "../support/raw.ts";
import { CachePair, FRESH, response, statusOf } from "./cache-gateway.ts";

const CLIENTS = 50;

let gateway: CachePair;
before(async () => {
  const route = (name: string, cache: string) =>
    `${name}: { path: /${name}, upstream: origin, policies: { cache: { ${cache} } } }`;
  const routes = [
    route("short", "wait_timeout: 200ms"),
    route("alone", "wait_timeout: 0s"),
    route("small", "max_object: 100kb"),
    route("stale", "stale_while_revalidate: 1h"),
  ];
  gateway = await CachePair.start("wait_timeout: 1m", { routes: routes.join(", ") });
});
beforeEach(() => gateway.origin.reset());
after(() => gateway.stop());

/** The origin answers when the test lets it. */
function held(): RawConnection[] {
  const connections: RawConnection[] = [];
  gateway.origin.answer = (_, connection) => {
    connections.push(connection);
    return null;
  };
  return connections;
}

async function sendAll(target: string, count = CLIENTS): Promise<Client[]> {
  const before = await gateway.counters();
  const clients: Client[] = [];
  for (let i = 0; i < count; i++) clients.push(await gateway.send(target));
  await gateway.until(({ misses }) => misses - before.misses === count);
  return clients;
}

async function requestsUntil(count: number): Promise<void> {
  while (gateway.origin.requests.length < count) await new Promise((resolve) => setImmediate(resolve));
}

const answers = (clients: readonly Client[]): Promise<Answer[]> =>
  Promise.all(clients.map((client) => client.answer()));

describe("requests for the same that come while it is fetched", { timeout: 60_000 }, () => {
  it("are one request to the backend, and get its response", async () => {
    const connections = held();
    const { collapsed } = await gateway.counters();
    const clients = await sendAll("/r0");
    assert.equal(gateway.origin.requests.length, 1);
    connections[0]!.write(response(FRESH, "hello"));
    const all = await answers(clients);
    assert.deepEqual(new Set(all.map(({ body }) => body)), new Set(["hello"]));
    const statuses = all.map(statusOf).sort();
    assert.equal(statuses.filter((one) => one === "sluice; fwd=uri-miss; collapsed").length, CLIENTS - 1);
    assert.equal(statuses.filter((one) => one === "sluice; fwd=uri-miss; stored").length, 1);
    assert.equal((await gateway.counters()).collapsed - collapsed, CLIENTS - 1);
    assert.equal(gateway.origin.requests.length, 1);
    assert.match(statusOf(await gateway.ask("/r0")), /hit/);
  });

  it("go on all at once where the response may not be kept, and then nobody waits for a while", async () => {
    const connections = held();
    const clients = await sendAll("/r1");
    connections[0]!.write(response("Cache-Control: no-store\r\n", "mine 0"));
    await requestsUntil(CLIENTS);
    for (const [i, connection] of connections.slice(1).entries())
      connection.write(response("Cache-Control: private\r\n", `mine ${i + 1}`));
    const bodies = (await answers(clients)).map(({ body }) => body);
    assert.equal(new Set(bodies).size, CLIENTS);
    const more = await sendAll("/r1", 3);
    await requestsUntil(CLIENTS + 3);
    for (const connection of connections.slice(CLIENTS)) connection.write(response(FRESH, "ours"));
    for (const { body } of await answers(more)) assert.equal(body, "ours");
    assert.match(statusOf(await gateway.ask("/r1")), /hit/);
  });

  it("get it although the first client went away", async () => {
    const connections = held();
    const [first, ...others] = await sendAll("/r2", 10);
    first!.close();
    // Its end was seen when one that came behind it is served.
    await gateway.send("/y2");
    await requestsUntil(2);
    connections[0]!.write(response(FRESH, "hello"));
    for (const { body } of await answers(others)) assert.equal(body, "hello");
    assert.equal(gateway.origin.requests.filter(({ target }) => target === "/r2").length, 1);
  });

  it("are no longer asked for when all clients went away", async () => {
    const connections = held();
    for (const client of (await sendAll("/r3", 3)).reverse()) client.close();
    assert.equal(await connections[0]!.untilGone(), "ended");
  });

  it("are fetched to the end for the cache when the first client goes away in the middle", async () => {
    const { entries } = await gateway.counters();
    const connections = held();
    const client = await gateway.send("/r4");
    await requestsUntil(1);
    connections[0]!.write(`HTTP/1.1 200 OK\r\n${FRESH}Content-Length: 10\r\n\r\nhello`);
    await client.connection.until("hello");
    client.close();
    await gateway.send("/y4");
    await requestsUntil(2);
    connections[0]!.write("world");
    await gateway.until((now) => now.entries === entries + 1);
    assert.equal((await gateway.ask("/r4")).body, "helloworld");
  });

  it("get a body of a known length as it comes", async () => {
    const connections = held();
    const clients = await sendAll("/r5", 10);
    connections[0]!.write(`HTTP/1.1 200 OK\r\n${FRESH}Content-Length: 10\r\n\r\nhello`);
    for (const { connection } of clients) await connection.until("\r\n\r\nhello");
    const late = await gateway.send("/r5");
    connections[0]!.write("world");
    for (const { body } of await answers(clients)) assert.equal(body, "helloworld");
    // It came when the response had begun: it may have its own.
    if (gateway.origin.requests.length > 1) connections[1]!.write(response(FRESH, "helloworld"));
    assert.equal((await late.answer()).body, "helloworld");
  });

  it("get a body without a length when it is whole", async () => {
    const connections = held();
    const clients = await sendAll("/r6", 10);
    connections[0]!.write(`HTTP/1.1 200 OK\r\n${FRESH}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`);
    await clients[0]!.connection.until("hello");
    for (const { connection } of clients.slice(1)) assert.equal(connection.length, 0);
    connections[0]!.write("5\r\nworld\r\n0\r\nX-Trailer: 1\r\n\r\n");
    for (const { body } of await answers(clients)) assert.equal(body, "helloworld");
    const kept = await gateway.ask("/r6");
    assert.deepEqual([kept.body, kept.framing], ["helloworld", 10]);
    assert.equal(gateway.origin.requests.length, 1);
  });

  it("ask for themselves where the body turns out to be too long, and the first client gets all of it", async () => {
    const { entries } = await gateway.counters();
    const connections = held();
    const clients = await sendAll("/small/r7", 5);
    const body = "0123456789".repeat(30_000);
    const chunked = `HTTP/1.1 200 OK\r\n${FRESH}Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    connections[0]!.write(chunked);
    await requestsUntil(5);
    for (const connection of connections.slice(1)) connection.write(response("", "short"));
    const bodies = (await answers(clients)).map((answer) => answer.body);
    assert.deepEqual(bodies, [body, "short", "short", "short", "short"]);
    assert.equal((await gateway.counters()).entries, entries);
  });

  it("are not held up by a body that is too long for a slow client, which gets all of it", async () => {
    const piece = "0123456789".repeat(6000);
    const pieces = 300;
    const connections = held();
    const slow = await gateway.send("/small/slow");
    slow.connection.socket.pause();
    await requestsUntil(1);
    connections[0]!.write(`HTTP/1.1 200 OK\r\n${FRESH}Transfer-Encoding: chunked\r\n\r\n`);
    for (let i = 0; i < pieces; i++) connections[0]!.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
    connections[0]!.write("0\r\n\r\n");
    // It cannot all be on its way: the backend is made to wait.
    const { socket } = connections[0]!;
    const other = await gateway.send("/small/slow");
    await requestsUntil(2);
    connections[1]!.write(response("", "short"));
    assert.equal((await other.answer()).body, "short");
    assert.ok(socket.writableLength > 0);
    slow.connection.socket.resume();
    const bytes = await slow.connection.untilBytes(pieces * piece.length);
    assert.ok(bytes.length >= pieces * piece.length);
    const { body, trailers } = await slow.answer();
    assert.ok(body === piece.repeat(pieces));
    assert.deepEqual(trailers, []);
  });

  it("all get none of a response that breaks off, and it is not kept", async () => {
    const { entries } = await gateway.counters();
    const connections = held();
    const clients = await sendAll("/r8", 5);
    connections[0]!.write(`HTTP/1.1 200 OK\r\n${FRESH}Content-Length: 10\r\n\r\nhello`);
    for (const { connection } of clients) await connection.until("hello");
    connections[0]!.destroy();
    for (const { connection } of clients) assert.equal(await connection.untilGone(), "reset");
    assert.equal((await gateway.counters()).entries, entries);
  });

  it("all hear of it when the backend fails", async () => {
    const connections = held();
    const clients = await sendAll("/r9", 10);
    // A connection that was used before may be stale: then the gateway tries once more.
    gateway.origin.answer = (_, connection) => {
      connection.destroy();
      return null;
    };
    connections[0]!.destroy();
    for (const { status } of await answers(clients)) assert.equal(status, 502);
    assert.ok(gateway.origin.requests.length <= 2);
  });

  it("are one request for each variant", async () => {
    const { misses } = await gateway.counters();
    const { origin } = gateway;
    const connections = held();
    const clients: Client[] = [];
    for (let i = 0; i < 20; i++)
      clients.push(await gateway.send("/r10", `Accept-Language: ${["de", "en"][i % 2]}\r\n`));
    await gateway.until((now) => now.misses === misses + 20);
    connections[0]!.write(response(`${FRESH}Vary: Accept-Language\r\n`, "de"));
    await requestsUntil(2);
    connections[1]!.write(response(`${FRESH}Vary: Accept-Language\r\n`, "en"));
    for (const [i, { body }] of (await answers(clients)).entries()) assert.equal(body, ["de", "en"][i % 2]);
    assert.equal(origin.requests.length, 2);
  });

  it("do not wait longer than wait_timeout", async () => {
    const connections = held();
    const clients = await sendAll("/short/r11", 3);
    await requestsUntil(3);
    for (const connection of connections) connection.write(response(FRESH, "hello"));
    for (const { body } of await answers(clients)) assert.equal(body, "hello");
  });

  it("do not wait at all where wait_timeout is 0", async () => {
    const connections = held();
    const clients = await sendAll("/alone/r12", 3);
    await requestsUntil(3);
    for (const connection of connections) connection.write(response(FRESH, "hello"));
    for (const { body } of await answers(clients)) assert.equal(body, "hello");
  });

  it("do not wait for each other where each has to be confirmed", async () => {
    gateway.origin.answer = () => response('Cache-Control: no-cache\r\nETag: "a"\r\n', "hello");
    await gateway.ask("/r13");
    const connections = held();
    const clients = await sendAll("/r13", 10);
    await requestsUntil(11);
    for (const connection of connections) connection.write('HTTP/1.1 304 x\r\nETag: "a"\r\n\r\n');
    for (const answer of await answers(clients)) {
      assert.deepEqual([answer.status, answer.body], [200, "hello"]);
      assert.deepEqual(valuesOf(answer.fields, "cache-status"), ["sluice; fwd=stale; fwd-status=304"]);
    }
  });

  it("are confirmed by one request", async () => {
    const { revalidated } = await gateway.counters();
    gateway.origin.answer = () => response('Cache-Control: max-age=10\r\nAge: 20\r\nETag: "a"\r\n', "hello");
    await gateway.ask("/r14");
    const connections = held();
    const clients = await sendAll("/r14");
    connections[0]!.write(`HTTP/1.1 304 x\r\n${FRESH}ETag: "a"\r\n\r\n`);
    for (const { status, body } of await answers(clients)) assert.deepEqual([status, body], [200, "hello"]);
    assert.equal(gateway.origin.requests.length, 2);
    assert.equal((await gateway.counters()).revalidated, revalidated + 1);
  });
});

describe("a response past its time", { timeout: 60_000 }, () => {
  it("is used while it is fetched anew, which one request does for all", async () => {
    const { stale_hits } = await gateway.counters();
    gateway.origin.answer = () => response("Cache-Control: max-age=10\r\nAge: 20\r\n", "old");
    await gateway.ask("/stale/r15");
    const connections = held();
    for (let i = 0; i < 20; i++) {
      const answer = await gateway.ask("/stale/r15");
      assert.equal(answer.body, "old");
      assert.match(statusOf(answer), /^sluice; hit; ttl=-\d+$/);
    }
    await requestsUntil(2);
    connections[0]!.write(response(FRESH, "new"));
    let body = "old";
    while (body === "old") ({ body } = await gateway.ask("/stale/r15"));
    assert.equal(body, "new");
    assert.equal(gateway.origin.requests.length, 2);
    assert.ok((await gateway.counters()).stale_hits >= stale_hits + 20);
  });

  it("stays as it is when the backend fails meanwhile, and is tried again", async () => {
    gateway.origin.answer = () => response("Cache-Control: max-age=10\r\nAge: 20\r\n", "old");
    await gateway.ask("/stale/r16");
    gateway.origin.answer = (_, connection) => {
      connection.destroy();
      return null;
    };
    for (let i = 2; i < 5; i++) {
      assert.equal((await gateway.ask("/stale/r16")).body, "old");
      await requestsUntil(i);
    }
  });
});
