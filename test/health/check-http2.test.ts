// Checks of backends that speak HTTP/2, or should. Runs in the test process.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import type { BackendSpec, HealthCheckSpec } from "../../src/config/snapshot.ts";
import { CheckAttempt, type CheckOutcome } from "../../src/control/health/check-attempt.ts";
import { CheckTarget } from "../../src/control/health/check-target.ts";
import { FrameBackend } from "../http2/frame-backend.ts";
import { type Answer, Http2Origin } from "../http2/http2-origin.ts";
import { makeCertificates, type TestCertificates } from "../support/certificates.ts";
import { backendSpec, healthCheck } from "../support/health.ts";
import { answering, RawBackend } from "../support/raw.ts";
import { TlsBackend } from "../upstream/tls-backend.ts";

type Changes = Partial<BackendSpec> & { readonly port: number };

function checkOf(backend: Changes, settings: Partial<HealthCheckSpec> = {}): Promise<CheckOutcome> {
  const target = new CheckTarget(backendSpec({ protocol: "h2", ...backend }), healthCheck(settings));
  return new Promise((resolve) => new CheckAttempt(target, resolve));
}

describe("a check over HTTP/2", { timeout: 30_000 }, () => {
  let origin: Http2Origin;
  before(async () => {
    origin = await Http2Origin.start();
  });
  after(() => origin.stop());

  const answers = (status: number, body: string): Answer => {
    return ({ stream }) => {
      stream.respond({ ":status": status });
      stream.end(body);
    };
  };

  const TABLE: ReadonlyArray<{
    readonly title: string;
    readonly answer: Answer;
    readonly settings?: Partial<HealthCheckSpec>;
    readonly failure: string | RegExp | null;
  }> = [
    { title: "a good status", answer: answers(200, "fine"), failure: null },
    {
      title: "a good status without a body",
      answer: ({ stream }) => stream.respond({ ":status": 204 }, { endStream: true }),
      failure: null,
    },
    { title: "a bad status", answer: answers(503, "no"), failure: "expected status 200-399, got 503" },
    {
      title: "the text that is asked for",
      answer: answers(200, "I am fine"),
      settings: { body: "fine" },
      failure: null,
    },
    {
      title: "another text",
      answer: answers(200, "no"),
      settings: { body: "fine" },
      failure: 'expected "fine" in the body, got "no"',
    },
    {
      title: "an early hint before",
      answer: ({ stream }) => {
        stream.additionalHeaders({ ":status": 103 });
        stream.respond({ ":status": 200 });
        stream.end();
      },
      failure: null,
    },
    {
      title: "a reset stream",
      answer: ({ stream }) => stream.close(2),
      failure: /INTERNAL_ERROR|without an answer/,
    },
    {
      title: "no answer",
      answer: () => {},
      settings: { timeoutMs: 200 },
      failure: "no answer within 200 ms",
    },
  ];
  for (const { title, answer, settings, failure } of TABLE) {
    it(`${failure === null ? "passes" : "fails"} with ${title}`, async () => {
      origin.reset();
      origin.answer = answer;
      const outcome = await checkOf({ port: origin.port }, settings);
      if (failure instanceof RegExp) assert.match(outcome.failure ?? "", failure);
      else assert.equal(outcome.failure, failure);
    });
  }

  it("asks as it is told to", async () => {
    origin.reset();
    await checkOf({ port: origin.port }, { path: "/health?full=1", method: "HEAD", host: "health.example" });
    assert.deepEqual(origin.only.fields.slice(0, 4), [
      [":method", "HEAD"],
      [":scheme", "http"],
      [":authority", `health.example`],
      [":path", "/health?full=1"],
    ]);
    assert.deepEqual(origin.valuesOf("user-agent"), ["sluice-health"]);
  });

  it("without a path only connects", async () => {
    origin.reset();
    assert.equal((await checkOf({ port: origin.port }, { path: null })).failure, null);
    assert.equal(origin.requests.length, 0);
  });

  it("leaves no connection behind", async (t) => {
    const backend = await FrameBackend.start(t, (connection, stream) => connection.respond(stream));
    assert.equal((await checkOf({ port: backend.port })).failure, null);
    await backend.connections[0]!.raw.untilEnd();
  });

  it("fails where HTTP/1.1 is spoken", async (t: TestContext) => {
    const backend = await RawBackend.start(answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    t.after(() => backend.stop());
    assert.notEqual((await checkOf({ port: backend.port }, { timeoutMs: 1000 })).failure, null);
  });
});

describe("a check by gRPC", { timeout: 30_000 }, () => {
  const serving = (...message: number[]) => Buffer.from([0, 0, 0, 0, message.length, ...message]);
  const says = (body: Buffer, grpcStatus: string | null, status = 200): Answer => {
    return async ({ stream }) => {
      for await (const chunk of stream) asked.push(chunk as Buffer);
      stream.respond({ ":status": status, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () =>
        stream.sendTrailers(grpcStatus === null ? {} : { "grpc-status": grpcStatus }),
      );
      stream.end(body);
    };
  };
  let asked: Buffer[] = [];

  const TABLE: ReadonlyArray<readonly [what: string, answer: Answer, failure: string | RegExp | null]> = [
    ["SERVING", says(serving(0x08, 1), "0"), null],
    ["NOT_SERVING", says(serving(0x08, 2), "0"), "expected SERVING, got NOT_SERVING"],
    ["an empty message", says(serving(), "0"), "expected SERVING, got UNKNOWN"],
    ["a number that nobody knows", says(serving(0x08, 9), "0"), "expected SERVING, got status 9"],
    ["SERVING and another status of gRPC", says(serving(0x08, 1), "14"), "expected grpc-status 0, got 14"],
    ["no status of gRPC", says(serving(0x08, 1), null), "expected grpc-status 0, got none"],
    ["no message", says(Buffer.alloc(0), "0"), "expected SERVING, got UNKNOWN"],
    ["another status of HTTP", says(serving(0x08, 1), "0", 503), "expected status 200, got 503"],
    [
      "trailers only",
      ({ stream }) => stream.respond({ ":status": 200, "grpc-status": "12" }, { endStream: true }),
      "expected grpc-status 0, got 12",
    ],
    [
      "a broken connection",
      ({ stream }) => stream.session?.destroy(),
      /closed|hang up|reset|without|CANCEL/i,
    ],
  ];
  for (const [what, answer, failure] of TABLE) {
    it(`${failure === null ? "passes" : "fails"} with ${what}`, async (t) => {
      const origin = await Http2Origin.start();
      t.after(() => origin.stop());
      origin.answer = answer;
      const outcome = await checkOf({ port: origin.port }, { path: null, grpc: "" });
      if (failure instanceof RegExp) assert.match(outcome.failure ?? "", failure);
      else assert.equal(outcome.failure, failure);
    });
  }

  it("asks about a service, or about all of them", async (t) => {
    const origin = await Http2Origin.start();
    t.after(() => origin.stop());
    for (const [service, message] of [
      ["", "\0\0\0\0\0"],
      ["shop.Cart", "\0\0\0\0\x0b\x0a\x09shop.Cart"],
    ] as const) {
      asked = [];
      origin.reset();
      origin.answer = says(serving(0x08, 1), "0");
      assert.equal((await checkOf({ port: origin.port }, { path: null, grpc: service })).failure, null);
      assert.equal(Buffer.concat(asked).toString("latin1"), message);
      assert.deepEqual(origin.valuesOf(":path"), ["/grpc.health.v1.Health/Check"]);
      assert.deepEqual(origin.valuesOf("content-type"), ["application/grpc"]);
    }
  });
});

describe("a check over HTTP/2 and TLS", { timeout: 30_000 }, () => {
  let folder: string;
  let certificates: TestCertificates;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "sluice-h2-check-"));
    certificates = await makeCertificates(folder);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const tls = () => ({
    ca: certificates.ca.cert,
    cert: null,
    key: null,
    serverName: "localhost",
    verify: true,
  });

  it("passes where HTTP/2 is agreed on", async (t) => {
    const origin = await Http2Origin.start({ cert: certificates.server.cert, key: certificates.server.key });
    t.after(() => origin.stop());
    assert.equal((await checkOf({ port: origin.port, tls: tls() })).failure, null);
    assert.deepEqual(origin.valuesOf(":scheme"), ["https"]);
  });

  it("fails where it is not", async (t) => {
    const { cert, key } = certificates.server;
    const backend = await TlsBackend.start({ cert, key }, () => {});
    t.after(() => backend.stop());
    assert.equal(
      (await checkOf({ port: backend.port, tls: tls() })).failure,
      "no HTTP/2: it did not agree to it (ALPN)",
    );
  });
});
