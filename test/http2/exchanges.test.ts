// Requests of HTTP/2 through the whole program: what a backend of HTTP/1 gets, and what the client gets back. Runs in the
// test process.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import type { ClientHttp2Session } from "node:http2";
import { after, before, beforeEach, describe, it } from "node:test";
import { promisify } from "node:util";
import { OK, Origin } from "../http/origin.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { proxyTo, TestGateway } from "../support/gateway.ts";
import { RawConnection } from "../support/raw.ts";
import { answerOf, ask, openSession } from "./client.ts";

const run = promisify(execFile);

describe("a request of HTTP/2", () => {
  let origin: Origin;
  let gateway: TestGateway;
  let session: ClientHttp2Session;

  before(async () => {
    origin = await Origin.start();
    gateway = await TestGateway.start(`access_log: {}\n${proxyTo(origin.port)}`, {
      server: "h2c: true",
      stdout: "pipe",
    });
    session = await openSession(gateway.port);
  });
  beforeEach(() => origin.reset());
  after(async () => {
    session.destroy();
    await gateway.stop();
    await origin.stop();
  });

  it("goes to a backend as one of HTTP/1.1", async () => {
    const answer = await ask(session, { ":path": "/a//b?c=d", ":authority": "A.example:81", "x-y": "z" });
    assert.equal(answer.status, 200);
    assert.equal(answer.body, "ok");
    assert.equal(answer.fields["content-length"], "2");
    const { method, target, fields, body } = origin.only;
    assert.deepEqual([method, target, body], ["GET", "/a/b?c=d", ""]);
    assert.deepEqual(valuesOf(fields, "host"), ["A.example:81"]);
    assert.deepEqual(valuesOf(fields, "x-y"), ["z"]);
    assert.deepEqual(valuesOf(fields, "via"), ["2.0 sluice"]);
    assert.deepEqual(valuesOf(fields, "x-forwarded-proto"), ["http"]);
    assert.deepEqual(valuesOf(fields, "x-forwarded-host"), ["A.example:81"]);
    assert.deepEqual(valuesOf(fields, "x-forwarded-for"), ["127.0.0.1"]);
  });

  it("is in the access log as HTTP/2.0", async () => {
    await ask(session, { ":path": "/logged", ":method": "POST" }, "abc");
    const line = await gateway.logged((one) => one["path"] === "/logged");
    assert.deepEqual(
      [line["protocol"], line["method"], line["status"], line["bytes_in"], line["bytes_out"], line["route"]],
      ["HTTP/2.0", "POST", 200, 3, 2, "all"],
    );
  });

  it("has its body in chunks where its length is not known", async () => {
    await ask(session, { ":path": "/", ":method": "POST" }, "abc");
    assert.deepEqual([origin.only.body, origin.only.chunked], ["abc", true]);
  });

  it("has its body as it is where its length is known", async () => {
    await ask(session, { ":path": "/", ":method": "POST", "content-length": 3 }, "abc");
    assert.deepEqual([origin.only.body, origin.only.chunked], ["abc", false]);
  });

  it("passes its trailers on", async () => {
    const stream = session.request({ ":path": "/", ":method": "POST" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-checksum": "1", "set-cookie": "a=b" }));
    stream.end("abc");
    await answerOf(stream);
    assert.equal(origin.only.body, "abc");
    assert.deepEqual(valuesOf(origin.only.trailers, "x-checksum"), ["1"]);
    assert.equal(origin.only.trailers.length, 1);
  });

  it("has the crumbs of its cookie joined", async () => {
    await ask(session, { ":path": "/", cookie: ["a=1", "b=2"], "x-y": "z" });
    assert.deepEqual(origin.valuesOf("cookie"), ["a=1; b=2"]);
  });

  it("gets 100 when its body is wanted", async () => {
    const stream = session.request(
      { ":path": "/", ":method": "PUT", expect: "100-continue" },
      { endStream: false },
    );
    await once(stream, "continue");
    stream.end("abc");
    assert.equal((await answerOf(stream)).status, 200);
    assert.deepEqual(origin.valuesOf("expect"), []);
    assert.equal(origin.only.body, "abc");
  });

  it("comes from curl, and HTTP/1.1 beside it", async () => {
    const url = `http://127.0.0.1:${gateway.port}/`;
    const one = await run("curl", ["-s", "--http2-prior-knowledge", "-w", " %{http_version}", url]);
    assert.equal(one.stdout, "ok 2");
    const other = await run("curl", ["-s", "--http1.1", "-w", " %{http_version}", url]);
    assert.equal(other.stdout, "ok 1.1");
  });

  it("comes from h2load, many at a time", async () => {
    const url = `http://127.0.0.1:${gateway.port}/`;
    const { stdout } = await run("h2load", ["-n", "400", "-c", "4", "-m", "20", url]);
    assert.match(stdout, /400 succeeded, 0 failed, 0 errored, 0 timeout/);
  });
});

describe("a response to HTTP/2", () => {
  let origin: Origin;
  let gateway: TestGateway;
  let session: ClientHttp2Session;

  before(async () => {
    origin = await Origin.start();
    gateway = await TestGateway.start(proxyTo(origin.port), { server: "h2c: true" });
    session = await openSession(gateway.port);
  });
  beforeEach(() => origin.reset());
  after(async () => {
    session.destroy();
    await gateway.stop();
    await origin.stop();
  });

  it("has no fields of a connection, and its names in lower case", async () => {
    origin.answer = () =>
      "HTTP/1.1 201 Fine\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nX-A: b\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 2\r\n\r\nok";
    const { status, fields, body } = await ask(session, { ":path": "/" });
    assert.deepEqual([status, body], [201, "ok"]);
    const { date, ...others } = fields;
    assert.match(String(date), /GMT$/);
    assert.deepEqual(Object.fromEntries(Object.entries(others)), {
      ":status": 201,
      "x-a": "b",
      "set-cookie": ["a", "b"],
      "content-length": "2",
    });
  });

  it("keeps the backend's Date", async () => {
    const date = "Tue, 10 Oct 2000 13:55:36 GMT";
    origin.answer = () => `HTTP/1.1 200 OK\r\nDate: ${date}\r\nContent-Length: 0\r\n\r\n`;
    assert.equal((await ask(session, { ":path": "/" })).fields["date"], date);
  });

  it("has the trailers of a chunked one, but for those that may not be there", async () => {
    origin.answer = () =>
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\nX-T: 2\r\nSet-Cookie: a\r\nContent-Length: 9\r\n\r\n";
    const { body, trailers } = await ask(session, { ":path": "/" });
    assert.equal(body, "abc");
    assert.equal(JSON.stringify(trailers), '{"x-t":"1, 2"}');
  });

  it("ends without trailers where there are none", async () => {
    origin.answer = () => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    const { body, trailers } = await ask(session, { ":path": "/" });
    assert.deepEqual([body, trailers], ["abc", null]);
  });

  it("has an informational one before it", async () => {
    origin.answer = () => `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\n${OK}`;
    const stream = session.request({ ":path": "/" });
    const early = once(stream, "headers");
    const answer = await answerOf(stream);
    const [hints] = await early;
    assert.deepEqual([hints[":status"], hints["link"], answer.status], [103, "</a>, </b>", 200]);
  });

  const bodiless = [
    ["a HEAD", { ":path": "/", ":method": "HEAD" }, "200 OK\r\nContent-Length: 5", 200, "5"],
    ["204", { ":path": "/" }, "204 No Content", 204, undefined],
    ["304", { ":path": "/" }, "304 Not Modified\r\nContent-Length: 5", 304, "5"],
  ] as const;
  for (const [what, request, head, status, length] of bodiless) {
    it(`has no body to ${what}`, async () => {
      origin.answer = () => `HTTP/1.1 ${head}\r\n\r\n`;
      const answer = await ask(session, request);
      assert.deepEqual([answer.status, answer.body, answer.fields["content-length"]], [status, "", length]);
    });
  }

  it("may have fields as long as a backend may send", async () => {
    const long = Array.from({ length: 8 }, (_, i) => `X-${i}: ${"y".repeat(8000)}\r\n`).join("");
    origin.answer = () => `HTTP/1.1 200 OK\r\n${long}Content-Length: 2\r\n\r\nok`;
    const own = await openSession(gateway.port, {}, { maxHeaderListSize: 1_000_000 });
    const { body, fields } = await ask(own, { ":path": "/" });
    assert.deepEqual([body, String(fields["x-7"]).length], ["ok", 8000]);
    assert.equal((await ask(own, { ":path": "/" })).body, "ok");
    own.destroy();
  });

  it("is reset, not ended, where the backend breaks off", async () => {
    origin.answer = (_request, connection) => {
      connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
      setImmediate(() => connection.socket.end());
      return null;
    };
    const stream = session.request({ ":path": "/" });
    await assert.rejects(answerOf(stream), { code: "ERR_HTTP2_STREAM_ERROR" });
    assert.equal(stream.rstCode, 2);
    assert.equal((await ask(session, { ":path": "/", ":method": "HEAD" })).status, 200);
  });

  it("is the gateway's own where the backend answers nonsense", async () => {
    origin.answer = () => "nonsense\r\n\r\n";
    const { status, body } = await ask(session, { ":path": "/" });
    assert.equal(status, 502);
    assert.match(body, /"response_malformed"/);
  });
});

describe("a plain listener", () => {
  it("without h2c takes the preface for a bad request", async () => {
    const gateway = await TestGateway.start("routing: { all: { respond: {} } }");
    const connection = await RawConnection.connect(gateway.port);
    connection.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert.match(await connection.untilEnd(), /^HTTP\/1\.1 505 /);
    await gateway.stop();
  });

  it("with h2c takes requests that begin like the preface", async () => {
    const gateway = await TestGateway.start("routing: { all: { respond: { body: hi } } }", {
      server: "h2c: true",
    });
    for (const pieces of [
      ["PRI /x HTTP/1.1\r\nHost: a\r\n\r\n"],
      ["P", "R", "I * HT", "TP/1.1\r\n\r\n"],
      ["G", "ET / HTTP/1.1\r\nHost: a\r\n\r\n"],
    ]) {
      const connection = await RawConnection.connect(gateway.port);
      for (const piece of pieces) {
        connection.write(piece);
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.match(await connection.until("\r\n\r\n"), /^HTTP\/1\.1 (200|400) /);
      connection.destroy();
    }
    await gateway.stop();
  });
});
