// What a backend over HTTP/2 gets of requests, and what clients get of its responses. Real gateway process; the backend is
// `node:http2`, the clients speak HTTP/1.1.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { constants } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it, type TestContext } from "node:test";
import { ask, Client } from "../http/client.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { bodyOf, Http2Origin } from "../http2/http2-origin.ts";
import { makeCertificates, type TestCertificates } from "../support/certificates.ts";
import { TestGateway } from "../support/gateway.ts";
import { RawBackend } from "../support/raw.ts";
import { TlsBackend } from "./tls-backend.ts";

function configFor(port: number, backend = "", more = ""): string {
  return `backends: { origin: [{ host: 127.0.0.1, port: ${port}, protocol: h2, ${backend} }] }
routing: { all: { upstream: origin, ${more} } }
`;
}

const GET = "GET / HTTP/1.1\r\nHost: shop.example:81\r\n\r\n";

describe("a backend over HTTP/2", { timeout: 60_000 }, () => {
  let gateway: TestGateway;
  let origin: Http2Origin;

  before(async () => {
    origin = await Http2Origin.start();
    gateway = await TestGateway.start(configFor(origin.port), { server: "shutdown_timeout: 1s" });
  });
  after(async () => {
    await gateway.stop("SIGKILL");
    await origin.stop();
  });
  beforeEach(() => origin.reset());

  it("gets pseudo-header fields, names in lower case, and nothing of the client's connection", async () => {
    const { answer } = await ask(
      gateway.port,
      "GET /a/./b?c=d HTTP/1.1\r\nHost: shop.example:81\r\nX-Own: Value\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n" +
        "Keep-Alive: timeout=5\r\nUpgrade: websocket\r\nTE: trailers, gzip\r\nCookie: a=b\r\nCookie: c=d\r\n\r\n",
    );
    assert.equal(answer.status, 200);
    const { fields } = origin.only;
    assert.deepEqual(fields.slice(0, 4), [
      [":method", "GET"],
      [":scheme", "http"],
      [":authority", "shop.example:81"],
      [":path", "/a/b?c=d"],
    ]);
    const names = fields.map(([name]) => name);
    assert.ok(names.includes("x-own"));
    for (const name of ["host", "connection", "x-hop", "keep-alive", "upgrade", "transfer-encoding"])
      assert.ok(!names.includes(name), name);
    assert.deepEqual(origin.valuesOf("te"), ["trailers"]);
    assert.deepEqual(origin.valuesOf("x-own"), ["Value"]);
    assert.deepEqual(origin.valuesOf("via"), ["1.1 sluice"]);
    assert.deepEqual(origin.valuesOf("x-forwarded-for"), ["127.0.0.1"]);
    assert.deepEqual(origin.valuesOf("cookie").join("; "), "a=b; c=d");
  });

  it("gets bytes above ASCII in a field as they are, and a field that comes twice twice", async () => {
    const { answer } = await ask(
      gateway.port,
      "GET / HTTP/1.1\r\nHost: test\r\nX-Latin: caf\xe9\r\nX-Two: 1\r\nX-Two: 2\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
    );
    assert.equal(answer.status, 200);
    assert.deepEqual(origin.valuesOf("x-latin"), ["caf\xe9"]);
    assert.deepEqual(origin.valuesOf("x-two"), ["1", "2"]);
    assert.deepEqual(origin.valuesOf("authorization"), ["a", "b"]);
  });

  it("gets OPTIONS * as it is", async () => {
    await ask(gateway.port, "OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n");
    assert.deepEqual(origin.valuesOf(":path"), ["*"]);
  });

  it("gets a body of known length, and one in chunks with trailers", async () => {
    const bodies: string[] = [];
    const trailers: unknown[] = [];
    origin.answer = async (request) => {
      request.stream.on("trailers", (fields) => trailers.push(Object.entries(fields)));
      bodies.push(await bodyOf(request));
      request.stream.respond({ ":status": 200 });
      request.stream.end("ok");
    };
    await ask(gateway.port, "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello");
    assert.deepEqual(origin.valuesOf("content-length"), ["5"]);
    origin.requests = [];
    await ask(
      gateway.port,
      "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\nHost: bad\r\n\r\n",
    );
    assert.deepEqual(origin.valuesOf("content-length"), []);
    assert.deepEqual(bodies, ["hello", "hello world"]);
    assert.deepEqual(trailers, [[["x-sum", "1"]]]);
  });

  it("answers with a length, without one, with trailers, and without a body", async () => {
    const send = async (answer: Http2Origin["answer"], method = "GET") => {
      origin.answer = answer;
      return (await ask(gateway.port, `${method} / HTTP/1.1\r\nHost: test\r\n\r\n`)).answer;
    };
    const known = await send(({ stream }) => {
      stream.respond({ ":status": 201, "content-length": 2, "x-a": ["1", "2"] });
      stream.end("ok");
    });
    assert.deepEqual([known.status, known.framing, known.body], [201, 2, "ok"]);
    assert.deepEqual(valuesOf(known.fields, "x-a"), ["1", "2"]);
    const unknown = await send(({ stream }) => {
      stream.respond({ ":status": 200 });
      stream.end("ok");
    });
    assert.deepEqual([unknown.framing, unknown.body], ["chunked", "ok"]);
    const withTrailers = await send(({ stream }) => {
      stream.respond({ ":status": 200 }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "content-type": "no" }));
      stream.end("ok");
    });
    assert.equal(withTrailers.body, "ok");
    assert.deepEqual(withTrailers.trailers, [["grpc-status", "0"]]);
    const headOnly = await send(
      ({ stream }) => stream.respond({ ":status": 200, "grpc-status": "5" }, { endStream: true }),
      "POST",
    );
    assert.deepEqual([headOnly.framing, headOnly.body], [0, ""]);
    assert.deepEqual(valuesOf(headOnly.fields, "grpc-status"), ["5"]);
    const none = await send(({ stream }) => stream.respond({ ":status": 204 }, { endStream: true }));
    assert.deepEqual([none.status, valuesOf(none.fields, "content-length")], [204, []]);
    const unchanged = await send(({ stream }) =>
      stream.respond({ ":status": 304, "content-length": "7" }, { endStream: true }),
    );
    assert.deepEqual([unchanged.status, valuesOf(unchanged.fields, "content-length")], [304, ["7"]]);
    const head = await send(({ stream }) => {
      stream.respond({ ":status": 200, "content-length": "7" });
      stream.end();
    }, "HEAD");
    assert.deepEqual([head.status, valuesOf(head.fields, "content-length"), head.body], [200, ["7"], ""]);
  });

  it("sends early hints first", async (t) => {
    origin.answer = ({ stream }) => {
      stream.additionalHeaders({ ":status": 103, link: "</a.css>" });
      stream.respond({ ":status": 200 });
      stream.end("ok");
    };
    const client = await Client.connect(gateway.port);
    t.after(() => client.close());
    client.send(GET);
    assert.equal((await client.answer()).status, 103);
    assert.equal((await client.answer()).body, "ok");
  });

  it("answers in one write what came at once, and passes on what comes later as it comes", async (t) => {
    origin.answer = ({ stream }) => {
      stream.respond({ ":status": 200 });
      stream.write("first");
    };
    const client = await Client.connect(gateway.port);
    t.after(() => client.close());
    let writes = 0;
    client.connection.socket.on("data", () => writes++);
    client.send(GET);
    await client.connection.until("first");
    assert.equal(writes, 1);
    origin.only.stream.end("second");
    await client.connection.until("0\r\n\r\n");
  });

  it("sends a head before there is a body", async (t) => {
    origin.answer = ({ stream }) => stream.respond({ ":status": 200, "x-early": "yes" });
    const client = await Client.connect(gateway.port);
    t.after(() => client.close());
    client.send(GET);
    await client.connection.until("x-early: yes\r\n");
    origin.only.stream.end("late");
    assert.equal((await client.answer()).body, "late");
  });

  it("may answer before the request is whole, and go on beside it", async (t) => {
    origin.answer = ({ stream }) => {
      stream.respond({ ":status": 200 });
      stream.pipe(stream);
    };
    const client = await Client.connect(gateway.port);
    t.after(() => client.close());
    client.send("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    await client.connection.until("\r\n\r\n");
    client.send("4\r\nping\r\n");
    await client.connection.until("4\r\nping\r\n");
    client.send("4\r\npong\r\n0\r\n\r\n");
    assert.equal((await client.answer()).body, "pingpong");
  });

  it("passes bodies of megabytes both ways, at the pace of the slower side", async (t) => {
    origin.answer = ({ stream }) => {
      stream.respond({ ":status": 200 });
      stream.pipe(stream);
    };
    const body = Buffer.alloc(8_000_000, "0123456789abcdef");
    const client = await Client.connect(gateway.port);
    t.after(() => client.close());
    const { socket } = client.connection;
    client.send(`POST / HTTP/1.1\r\nHost: test\r\nContent-Length: ${body.length}\r\n\r\n`);
    socket.write(body);
    // A client that does not read for a while: what does not fit anywhere waits in the backend.
    socket.pause();
    while (origin.requests.length === 0 || !origin.only.stream.writableNeedDrain)
      await new Promise((resolve) => setImmediate(resolve));
    socket.resume();
    await client.connection.untilBytes(body.length);
    const answer = await client.answer();
    assert.equal(answer.body.length, body.length);
    assert.equal(digestOf(answer.body), digestOf(body.toString("latin1")));
  });

  it("is told when the client goes away", async () => {
    const closed = new Promise<number>((resolve) => {
      origin.answer = ({ stream }) => {
        stream.respond({ ":status": 200 });
        stream.write("some");
        stream.on("close", () => resolve(stream.rstCode));
      };
    });
    const client = await Client.connect(gateway.port);
    client.send(GET);
    await client.connection.until("some");
    client.close();
    assert.equal(await closed, constants.NGHTTP2_CANCEL);
  });

  it("gets an upgrade as a plain request", async () => {
    const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n";
    const { answer } = await ask(gateway.port, `GET / HTTP/1.1\r\nHost: test\r\n${upgrade}\r\n`);
    assert.equal(answer.status, 200);
  });
});

function digestOf(text: string): string {
  return createHash("sha256").update(text, "latin1").digest("hex");
}

describe("HTTP/2 to a backend over TLS", { timeout: 60_000 }, () => {
  let folder: string;
  let certificates: TestCertificates;
  let gateway: TestGateway;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "sluice-h2-"));
    certificates = await makeCertificates(folder);
    gateway = await TestGateway.start("routing: {}");
  });
  after(async () => {
    await gateway.stop("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  async function secureOrigin(t: TestContext, options: object = {}): Promise<Http2Origin> {
    const { cert, key } = certificates.server;
    const origin = await Http2Origin.start({ cert, key, ...options });
    t.after(() => origin.stop());
    return origin;
  }

  const tls = () => `scheme: https, tls: { ca_file: "${certificates.ca.certFile}" }`;

  it("is agreed on by ALPN, and its scheme is https", async (t) => {
    const origin = await secureOrigin(t);
    await gateway.adopt(configFor(origin.port, tls()));
    const { answer } = await ask(gateway.port, GET);
    assert.equal(answer.body, "ok");
    assert.deepEqual(origin.valuesOf(":scheme"), ["https"]);
    assert.equal(origin.sessions[0]?.alpnProtocol, "h2");
  });

  it("fails with the reason where the certificate is of somebody else", async (t) => {
    const { cert, key } = certificates.otherServer;
    const origin = await secureOrigin(t, { cert, key });
    await gateway.adopt(configFor(origin.port, tls()));
    assert.equal((await ask(gateway.port, GET)).answer.status, 502);
    await gateway.logged(({ msg }) => msg.includes("no TLS connection to the backend: its certificate"));
  });

  const REFUSALS: ReadonlyArray<readonly [what: string, protocols: string[] | undefined, message: RegExp]> = [
    [
      "speaks another protocol",
      ["http/1.1"],
      /no TLS connection to the backend: it speaks none of the protocols/,
    ],
    [
      "says nothing of protocols",
      undefined,
      /no HTTP\/2 to the backend: it agreed to none \(ALPN\), expected "h2"/,
    ],
  ];
  for (const [what, protocols, message] of REFUSALS) {
    it(`fails with a clear message where the backend ${what}`, async (t) => {
      const { cert, key } = certificates.server;
      const options = { cert, key, ...(protocols === undefined ? {} : { ALPNProtocols: protocols }) };
      const backend = await TlsBackend.start(options, () => {});
      t.after(() => backend.stop());
      await gateway.adopt(configFor(backend.port, tls()));
      assert.equal((await ask(gateway.port, GET)).answer.status, 502);
      await gateway.logged(({ code, msg }) => code === "connect_failed" && message.test(msg));
    });
  }
});

describe("a backend that does not speak HTTP/2", { timeout: 60_000 }, () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await TestGateway.start("routing: {}");
  });
  after(() => gateway.stop("SIGKILL"));

  const TABLE: ReadonlyArray<{
    readonly what: string;
    readonly serve: Parameters<typeof RawBackend.start>[0];
    readonly status: number;
    readonly message: RegExp;
  }> = [
    {
      what: "answers with HTTP/1.1",
      serve: (connection) => connection.write("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
      status: 502,
      message: /no HTTP\/2 to the backend/,
    },
    {
      what: "closes at once",
      serve: (connection) => connection.socket.end(),
      status: 502,
      message: /no HTTP\/2 to the backend: it did not begin it/,
    },
    {
      what: "says nothing",
      serve: () => {},
      status: 504,
      message: /the backend did not begin HTTP\/2 in time/,
    },
  ];
  for (const { what, serve, status, message } of TABLE) {
    it(`${what}: ${status}`, async (t) => {
      const backend = await RawBackend.start(serve);
      t.after(() => backend.stop());
      await gateway.adopt(configFor(backend.port, "", "timeouts: { connect: 300ms }"));
      assert.equal((await ask(gateway.port, GET)).answer.status, status);
      await gateway.logged(({ msg }) => message.test(msg));
    });
  }

  it("is not there: 502", async () => {
    await gateway.adopt(configFor(1));
    assert.equal((await ask(gateway.port, GET)).answer.status, 502);
    await gateway.logged(({ msg }) => msg.includes("cannot connect to the backend: connect ECONNREFUSED"));
  });
});
