// VMs that break the rules of a link on a stream to an upstream: each loses its link and its life. What a request must not
// say makes that request fail alone. Real gateway, VMs and backend.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { FrameType, MAX_PIECE_BYTES } from "../../src/wire/frames.ts";
import { TestGateway } from "../support/gateway.ts";
import { AskedBackend } from "./asked-backend.ts";
import { writeApp } from "./write-app.ts";

/** Writes what the request says to its own link, whose socket is the only one of the VM. */
const HANDLER = `
import { Socket } from "node:net";
export default {
  fetch(request) {
    const { searchParams } = new URL(request.url);
    const link = process._getActiveHandles().find((one) => one instanceof Socket && one._handle?.fd > 2);
    link.write(Buffer.from(searchParams.get("bytes"), "base64url"));
    // A frame whose header is told.
    const last = Buffer.concat([Buffer.from(searchParams.get("last") ?? "", "base64url"), Buffer.alloc(65_536)]);
    for (let i = 0; i < searchParams.get("times"); i++) link.write(last);
    return new Response("still there");
  },
};
`;

const CONCURRENCY = 1;
const STREAM = 1000;
/** What is before the head in the payload of a head frame. */
const ENDS = 1;

function frame(type: number, payload: Buffer | string, stream = STREAM): Buffer {
  const header = Buffer.alloc(9);
  header.writeUInt32LE(payload.length, 0);
  header.writeUInt8(type, 4);
  header.writeUInt32LE(stream, 5);
  return Buffer.concat([header, Buffer.from(payload)]);
}

function head(text: string, { flags = 0, stream = STREAM, length = text.length, more = 0 } = {}): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flags, 0);
  prefix.writeUInt32LE(length, 1);
  return frame(
    FrameType.head,
    Buffer.concat([prefix, Buffer.from(text, "latin1"), Buffer.alloc(more)]),
    stream,
  );
}

/** Of the upstream in the first place, for nobody. */
const asking = (lines: string, start = "POST /rogue HTTP/1.1") => `0 0\n${start}\r\nHost: a\r\n${lines}\r\n`;
const POST_10 = asking("Content-Length: 10\r\n");
const CHUNKED = asking("Transfer-Encoding: chunked\r\n");
const body = (bytes: number) => frame(FrameType.body, Buffer.alloc(bytes));

const BREACHES: readonly (readonly [string, Buffer[], RegExp])[] = [
  ["a stream that begins with a body", [body(1)], /a frame of type 2 on stream 1000, which was never opened/],
  ["a head that is longer than its frame", [head(POST_10, { length: 1000 })], /longer than its frame/],
  ["a head that goes on behind its end", [head(`${POST_10}x`)], /does not end where its frame says/],
  [
    "a head without an upstream",
    [head("GET / HTTP/1.1\r\nHost: a\r\n\r\n")],
    /begin with an upstream and a stream/,
  ],
  ["a body that is too long", [head(POST_10), body(11)], /more than the 10 bytes that its head says/],
  [
    "a body that is too long, in its head",
    [head(POST_10, { more: 11 })],
    /more than the 10 bytes that its head says/,
  ],
  [
    "a body of a request without one",
    [head(asking(""), { more: 1 })],
    /more than the 0 bytes that its head says/,
  ],
  ["a body that is too short", [head(POST_10), frame(FrameType.end, "")], /0 bytes where its head says 10/],
  [
    "a body that is too short, in its head",
    [head(POST_10, { flags: ENDS })],
    /0 bytes where its head says 10/,
  ],
  ["a body behind its end", [head(CHUNKED), frame(FrameType.end, ""), body(1)], /a body behind its end/],
  [
    "two ends",
    [head(CHUNKED), frame(FrameType.end, ""), frame(FrameType.end, "")],
    /two ends of a request body/,
  ],
  ["flags that there are none of", [head(CHUNKED, { flags: 2 })], /a head with flags 2/],
  [
    "more credit than it took",
    [head(CHUNKED), frame(FrameType.credit, Buffer.from([1, 0, 0, 0]))],
    /more credit than there was to give back/,
  ],
  [
    "a second head",
    [head(CHUNKED), head(CHUNKED)],
    /a frame of type 1 on the stream of a request to an upstream/,
  ],
  [
    "more streams than it may have",
    Array.from({ length: 8 * CONCURRENCY + 1 }, (_, i) => head(CHUNKED, { stream: STREAM + 2 * i })),
    /more than 8 streams at a time/,
  ],
  [
    "holding what is no exchange",
    [frame(FrameType.hold, Buffer.from([1]), 2)],
    /stream 2 held, which is no exchange/,
  ],
  ["holding what never was", [frame(FrameType.hold, Buffer.from([1]), 4001)], /stream 4001 held/],
  ["a hold of another kind", [frame(FrameType.hold, Buffer.from([2]), 1)], /neither 0 nor 1/],
];

const wrong = (lines: string, start = "GET /refused HTTP/1.1") => asking(lines, start);

/** Of a request alone. Nothing of it may get to the backend. */
const REFUSED: readonly (readonly [string, string])[] = [
  ["a method that is no token", wrong("", "G@T /refused HTTP/1.1")],
  ["CONNECT", wrong("", "CONNECT a:80 HTTP/1.1")],
  ["a path that leaves the root", wrong("", "GET /../refused HTTP/1.1")],
  ["a path with an encoded NUL", wrong("", "GET /refused%00 HTTP/1.1")],
  ["a bare LF", wrong("", "GET /refused\nX: y HTTP/1.1")],
  ["a field name that is no token", wrong("a b: c\r\n")],
  ["a field with a NUL", wrong("a: b\0c\r\n")],
  ["a folded field", wrong("a: b\r\n c\r\n")],
  ["two lengths", wrong("Content-Length: 1\r\nContent-Length: 2\r\n")],
  ["a length and chunks", wrong("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")],
  ["two hosts", wrong("Host: b\r\n")],
  ["a host that is none", "0 0\nGET /refused HTTP/1.1\r\nHost: a/b\r\n\r\n"],
  ["an upstream that the app has not", "1 0\nGET /refused HTTP/1.1\r\nHost: a\r\n\r\n"],
];

describe("a VM that asks an upstream what no VM should", { timeout: 120_000 }, () => {
  let backend: AskedBackend;
  let gateway: TestGateway;
  const ask = (app: string, bytes: Buffer, more = "") =>
    fetch(`http://127.0.0.1:${gateway.port}/${app}?bytes=${bytes.toString("base64url")}${more}`);

  before(async () => {
    backend = await AskedBackend.start("api", (request, response) => {
      if (!request.url!.startsWith("/rogue")) return false;
      // It takes nothing.
      request.pause();
      response.flushHeaders();
      return true;
    });
    const entry = writeApp(HANDLER);
    const app = `{ entry: ${entry}, upstreams: [api], concurrency: ${CONCURRENCY} }`;
    const names = [...BREACHES.map((_, i) => `app${i}`), "refused", "credit", "code0", "code1"];
    gateway = await TestGateway.start(
      `backends: { api: [${backend.place}] }
apps: { ${names.map((name) => `${name}: ${app}`).join(", ")} }
routing: { ${names.map((name) => `${name}: { path: /${name}, app: ${name} }`).join(", ")} }`,
      { server: "listeners: [{ host: 127.0.0.1, port: 0 }], workers: 1" },
    );
  });
  after(async () => {
    await gateway.stop("SIGKILL");
    backend.stop();
  });

  for (const [i, [what, frames, fault]] of BREACHES.entries()) {
    it(`is ended for ${what}`, async () => {
      await ask(`app${i}`, Buffer.concat(frames)).catch(() => {});
      await gateway.logged(
        (line) => line["app"] === `app${i}` && line["outcome"] === "crashed" && fault.test(line.msg),
      );
    });
  }

  it("is ended for more of a body than it has credit for", async () => {
    // So much that the system keeps it for no backend that reads nothing.
    const last = body(MAX_PIECE_BYTES).subarray(0, 9).toString("base64url");
    await ask("credit", head(CHUNKED), `&times=1000&last=${last}`).catch(() => {});
    const fault = /more of a request body than there was credit for/;
    await gateway.logged((line) => line["app"] === "credit" && fault.test(line.msg));
  });

  it("cannot answer with an error that is none of an upstream", async () => {
    // The first exchange of that VM.
    const abort = (code: string) => frame(FrameType.abort, `${code}\nmessage\0`, 1);
    const codeOf = async (response: Response) => {
      const { error } = (await response.json()) as { error: { code: string } };
      return error.code;
    };
    assert.equal(await codeOf(await ask("code0", abort("route_not_found"))), "app_failed");
    assert.equal(await codeOf(await ask("code1", abort("circuit_open"))), "circuit_open");
  });

  for (const [i, [what, text]] of REFUSED.entries()) {
    it(`is refused ${what}, and lives on`, async () => {
      const [stream, next] = [STREAM + 4 * i, STREAM + 4 * i + 2];
      const sound = asking("", `GET /sound/${i} HTTP/1.1`);
      const bytes = Buffer.concat([
        head(text, { flags: ENDS, stream }),
        head(sound, { flags: ENDS, stream: next }),
      ]);
      assert.equal(await (await ask("refused", bytes)).text(), "still there");
      const came = () => backend.requests.map(({ url }) => String(url));
      while (!came().includes(`/sound/${i}`)) await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(
        came().filter((url) => url.includes("refused")),
        [],
      );
    });
  }
});
