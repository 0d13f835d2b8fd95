// Client connections: how long they are kept, requests that are sent ahead, and answers that come before a request is
// whole. A real gateway between raw sockets.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, beforeEach, describe, it } from "node:test";
import { ask } from "./client.ts";
import { Pair } from "./pair.ts";
import { valuesOf } from "./strict-reading.ts";

const LARGE = 65_536;
/** Goes out in one write with its head. */
const MEDIUM = 8192;
const ROUTES = `
  large: { path: /large, respond: { body: ${"x".repeat(LARGE)} } },
  medium: { path: /medium, respond: { body: ${"x".repeat(MEDIUM)} } },
  small: { path: /small, respond: { body: small } }`;

let pair: Pair;
before(async () => {
  pair = await Pair.start({ routes: ROUTES });
});
beforeEach(() => {
  pair.origin.reset();
  pair.origin.answer = ({ target, body }) => {
    const text = target + (body === "" ? "" : ` ${body}`);
    return `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
  };
});
after(() => pair.stop());

function get(target: string, more = ""): string {
  return `GET ${target} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;
}

describe("a client connection", { timeout: 120_000 }, () => {
  it("of HTTP/1.1 is kept, and so is the one to the backend", async () => {
    const client = await pair.connect();
    for (const target of ["/1", "/2", "/3"]) {
      client.send(get(target));
      const { body, version, fields } = await client.answer();
      assert.deepEqual([body, version, valuesOf(fields, "connection")], [target, "HTTP/1.1", []]);
    }
    const used = new Set(pair.origin.requests.map(({ connection }) => connection));
    assert.equal(used.size, 1);
    client.close();
  });

  const CLOSED: ReadonlyArray<readonly [title: string, text: string]> = [
    ["of HTTP/1.1 that asks for it", get("/", "Connection: close\r\n")],
    ["of HTTP/1.1 that asks for it in any case, among others", get("/", "Connection: x, CLOSE\r\n")],
    ["of HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\n\r\n"],
    ["of HTTP/1.0 with a field that means nothing", "GET / HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n"],
  ];
  for (const [title, text] of CLOSED) {
    it(`is closed: one ${title}`, async () => {
      const { answer, after: rest } = await ask(pair.port, text + get("/next"));
      assert.deepEqual([answer.status, valuesOf(answer.fields, "connection"), rest], [200, ["close"], ""]);
      assert.equal(pair.origin.requests.length, 1);
    });
  }

  it("of HTTP/1.0 is kept when it asks for it", async () => {
    const client = await pair.connect();
    for (const target of ["/1", "/2"]) {
      client.send(`GET ${target} HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n`);
      const { body, fields } = await client.answer();
      assert.deepEqual([body, valuesOf(fields, "connection")], [target, ["keep-alive"]]);
    }
    client.close();
  });

  it("whose client closed its side is closed, and its exchange given up", async () => {
    const asked = new Promise<number>((resolve) => {
      pair.origin.answer = ({ connection }) => {
        resolve(connection);
        return null;
      };
    });
    const client = await pair.connect();
    client.send(get("/"));
    const upstream = await pair.origin.backend.connection(await asked);
    client.connection.socket.end();
    assert.equal(await client.ended(), "");
    await upstream.untilEnd();
  });

  it("without a request is closed when its client closed its side", async () => {
    const client = await pair.connect();
    client.send(get("/"));
    await client.answer();
    client.connection.socket.end();
    assert.equal(await client.ended(), "");
  });
});

describe("requests that are sent ahead", { timeout: 120_000 }, () => {
  const ahead = Array.from({ length: 60 }, (_, i) => {
    const length = `PUT /${i} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nbody${i % 10}`;
    const chunked = `PUT /${i} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nbo\r\n3\r\ndy${i % 10}\r\n0\r\n\r\n`;
    return [get(`/${i}`), length, chunked, get("/small")][i % 4]!;
  });
  const answers = ahead.map(
    (_, i) => [`/${i}`, `/${i} body${i % 10}`, `/${i} body${i % 10}`, "small"][i % 4]!,
  );

  it("are answered in their order, whole", async () => {
    const client = await pair.connect();
    client.send(ahead.join(""));
    for (const expected of answers) assert.equal((await client.answer()).body, expected);
    assert.equal(client.unread, "");
    client.close();
  });

  it("are answered in their order, in whatever pieces they come", async () => {
    const client = await pair.connect();
    const text = ahead.slice(0, 12).join("");
    const { socket } = client.connection;
    for (let at = 0; at < text.length; at += 7) {
      // A turn of the event loop between two writes keeps them apart on most systems; the test holds either way.
      await new Promise((resolve) => setImmediate(resolve));
      socket.write(text.slice(at, at + 7), "latin1");
    }
    for (const expected of answers.slice(0, 12)) assert.equal((await client.answer()).body, expected);
    client.close();
  });

  it("wait for the one before: the backend gets one at a time", async () => {
    const client = await pair.connect();
    let release = () => {};
    const asked = new Promise<void>((resolve) => {
      pair.origin.answer = (_, connection) => {
        release = () => connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1");
        resolve();
        return null;
      };
    });
    client.send(get("/1") + get("/2"));
    await asked;
    assert.equal((await ask(pair.port, get("/small"))).answer.body, "small");
    assert.deepEqual(
      pair.origin.requests.map(({ target }) => target),
      ["/1"],
    );
    pair.origin.answer = () => "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2";
    release();
    assert.equal((await client.answer()).body, "1");
    assert.equal((await client.answer()).body, "2");
    client.close();
  });

  it("are not answered behind one that closes the connection", async () => {
    const client = await pair.connect();
    client.send(get("/1") + get("/2", "Connection: close\r\n") + get("/3"));
    assert.equal((await client.answer()).body, "/1");
    assert.equal((await client.answer()).body, "/2");
    assert.equal(await client.ended(), "");
    assert.equal(pair.origin.requests.length, 2);
  });

  it("are not answered behind one that is malformed", async () => {
    const client = await pair.connect();
    client.send(`${get("/1")}GET /2 HTTP/1.1\r\nHost : a\r\n\r\n${get("/3")}`);
    assert.equal((await client.answer()).body, "/1");
    assert.equal((await client.answer()).status, 400);
    assert.equal(await client.ended(), "");
    assert.equal(pair.origin.requests.length, 1);
  });

  for (const [target, size, count] of [
    ["/large", LARGE, 3000],
    ["/medium", MEDIUM, 24_000],
  ] as const) {
    it(`are left unread while the client takes no answers of ${size} bytes`, async () => {
      const client = await pair.connect();
      const { connection } = client;
      client.send(get(target));
      const head = (await client.answer()).fields;
      const bytes = connection.length;
      assert.deepEqual(valuesOf(head, "content-length"), [String(size)]);
      connection.socket.pause();
      const before = peakKilobytes(pair.gateway.process.pid!);
      client.send(get(target).repeat(count));
      for (let i = 0; i < 20; i++) await ask(pair.port, get("/small"));
      const grown = peakKilobytes(pair.gateway.process.pid!) - before;
      assert.ok(grown < 50_000, `${grown} KB more than before, of ${(count * size) / 1024} KB of answers`);
      connection.socket.resume();
      await connection.untilBytes((count + 1) * bytes);
      client.close();
    });
  }
});

describe("an answer that comes before the request is whole", { timeout: 120_000 }, () => {
  const smuggled = get("/smuggled");
  const ANSWERED: ReadonlyArray<readonly [title: string, target: string]> = [
    ["a fixed response", "/small"],
    ["a refusal", "/../x"],
  ];
  for (const [title, target] of ANSWERED) {
    it(`closes the connection, so that a body is never read as a request: ${title}`, async () => {
      const text = `POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`;
      const { answer, after: rest } = await ask(pair.port, text);
      assert.deepEqual([valuesOf(answer.fields, "connection"), rest], [["close"], ""]);
      assert.deepEqual(pair.origin.requests, []);
    });
  }

  const head = "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n";

  it("reaches the client, and both connections are closed", async () => {
    await ask(pair.port, get("/warm"));
    const upstream = pair.origin.backend.connections.at(-1)!;
    const client = await pair.connect();
    client.send(`${head}12345`);
    await upstream.until("12345");
    upstream.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n");
    const answer = await client.answer();
    assert.deepEqual(
      [answer.status, answer.body, valuesOf(answer.fields, "connection")],
      [403, "no\n", ["close"]],
    );
    client.send(`67890${smuggled}`);
    assert.equal(await client.ended(), "");
    assert.equal((await ask(pair.port, get("/after"))).answer.body, "/after");
    await upstream.untilEnd();
    assert.ok(!upstream.text.includes("/after") && !pair.origin.backend.text.includes("smuggled"));
  });

  it("closes the connection also when that was not known at its head", async () => {
    await ask(pair.port, get("/warm"));
    const upstream = pair.origin.backend.connections.at(-1)!;
    const client = await pair.connect();
    client.send(`${head}12345`);
    await upstream.until("12345");
    upstream.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
    await client.connection.until("\r\n\r\nab");
    upstream.write("cd");
    assert.equal((await client.answer()).body, "abcd");
    client.send(`67890${smuggled}`);
    assert.equal(await client.ended(), "");
    assert.ok(!pair.origin.backend.text.includes("smuggled"));
  });

  it("does not stop the upload while it goes on itself", async () => {
    await ask(pair.port, get("/warm"));
    const upstream = pair.origin.backend.connections.at(-1)!;
    const client = await pair.connect();
    pair.origin.answer = () => null;
    client.send(`${head}12345`);
    await upstream.until("12345");
    upstream.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
    await client.connection.until("\r\n\r\nab");
    client.send("67890");
    await upstream.until("1234567890");
    upstream.write("cd");
    assert.equal((await client.answer()).body, "abcd");
    pair.origin.answer = ({ target }) =>
      `HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${target}`;
    client.send(get("/next"));
    assert.equal((await client.answer()).body, "/next");
    assert.equal(upstream, pair.origin.backend.connections.at(-1), "both connections go on");
    client.close();
  });
});

/** The most resident memory of a process so far. */
function peakKilobytes(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))![1]);
}
