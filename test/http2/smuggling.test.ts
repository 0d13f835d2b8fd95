// Requests of HTTP/2 that would be something else in HTTP/1.1: none of them reaches a backend (RFC 9113 sections 8.2, 8.3
// and 10.3). Frame by frame, through the whole program, to a backend that records. Runs in the test process.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import fc from "fast-check";
import { Origin } from "../http/origin.ts";
import { proxyTo, TestGateway } from "../support/gateway.ts";
import { RawBackend } from "../support/raw.ts";
import { ErrorCode, type Fields, Flag, FrameClient, FrameType, fieldBlock, request } from "./frames.ts";

const PROTOCOL_ERROR = "RST_STREAM 1";
const MALFORMED = "status 400";

let origin: Origin;
let gateway: TestGateway;
before(async () => {
  origin = await Origin.start();
  gateway = await TestGateway.start(proxyTo(origin.port), { server: "h2c: true" });
});
beforeEach(() => origin.reset());
after(async () => {
  await gateway.stop();
  await origin.stop();
});

/** Sends a request on a connection of its own; resolves with its outcome. */
async function outcomeOf(fields: Fields, flags: number = Flag.endHeaders | Flag.endStream): Promise<string> {
  const client = await FrameClient.connect(gateway.port);
  const outcome = await client.outcome(client.request(fields, flags));
  client.destroy();
  return outcome;
}

describe("a request that is refused", () => {
  const post = (more: Fields) => request("/", more, "POST");
  const cases: ReadonlyArray<readonly [what: string, fields: Fields, outcome: string, ended?: boolean]> = [
    // Fields that belong to a connection of HTTP/1.
    ["connection", request("/", [["connection", "close"]]), PROTOCOL_ERROR],
    ["keep-alive", request("/", [["keep-alive", "5"]]), PROTOCOL_ERROR],
    ["proxy-connection", request("/", [["proxy-connection", "close"]]), PROTOCOL_ERROR],
    ["transfer-encoding", request("/", [["transfer-encoding", "chunked"]]), PROTOCOL_ERROR],
    ["transfer-encoding with a body", post([["transfer-encoding", "chunked"]]), PROTOCOL_ERROR, false],
    ["upgrade", request("/", [["upgrade", "h2c"]]), PROTOCOL_ERROR],
    ["te that is not trailers", request("/", [["te", "gzip"]]), PROTOCOL_ERROR],
    ["te with more than trailers", request("/", [["te", "trailers, chunked"]]), PROTOCOL_ERROR],
    // Names and values.
    ["a name in upper case", request("/", [["X-Y", "z"]]), PROTOCOL_ERROR],
    ["a space before a value", request("/", [["x-y", " z"]]), MALFORMED],
    ["a space behind a value", request("/", [["x-y", "z "]]), MALFORMED],
    ["a tab behind a value", request("/", [["x-y", "z\t"]]), MALFORMED],
    // Pseudo-fields.
    ["no method", request("/").slice(1), PROTOCOL_ERROR],
    ["no path", request("/").filter(([name]) => name !== ":path"), PROTOCOL_ERROR],
    ["no scheme", request("/").filter(([name]) => name !== ":scheme"), PROTOCOL_ERROR],
    ["no authority and no host", request("/").slice(0, 3), PROTOCOL_ERROR],
    ["two paths", request("/", [[":path", "/admin"]]), PROTOCOL_ERROR],
    ["two methods", [[":method", "GET"], ...request("/", [], "POST")], PROTOCOL_ERROR],
    ["two authorities", request("/", [[":authority", "b"]]), PROTOCOL_ERROR],
    ["a pseudo-field behind a field", [["x", "y"], ...request("/")], PROTOCOL_ERROR],
    ["a pseudo-field of responses", [[":status", "200"], ...request("/")], PROTOCOL_ERROR],
    ["a pseudo-field that nobody knows", [[":port", "1"], ...request("/")], PROTOCOL_ERROR],
    ["a method with a space", request("/", [], "GET /admin"), PROTOCOL_ERROR],
    ["a method with a line break", request("/", [], "GET\r\n"), PROTOCOL_ERROR],
    ["an empty method", request("/", [], ""), PROTOCOL_ERROR],
    ["a path with a space", request("/ HTTP/1.1"), PROTOCOL_ERROR],
    ["a path with a line break", request("/\r\nx: y"), PROTOCOL_ERROR],
    ["a path without slash", request("x"), PROTOCOL_ERROR],
    ["a path of absolute form", request("http://b.example/"), PROTOCOL_ERROR],
    ["an empty path", request(""), PROTOCOL_ERROR],
    ["a path with a byte above ASCII", request("/\xff"), MALFORMED],
    ["a path that climbs above the root", request("/../x"), MALFORMED],
    ["a path with an encoded line break", request("/%0d%0a"), MALFORMED],
    ["a path with a fragment", request("/x#y"), MALFORMED],
    ["a star for GET", request("*"), PROTOCOL_ERROR],
    [
      "another scheme",
      request("/").map(([name, value]) => [name, name === ":scheme" ? "ftp" : value]),
      MALFORMED,
    ],
    ["an authority with a user", authority("u@a"), PROTOCOL_ERROR],
    ["an authority with a space", authority("a b"), PROTOCOL_ERROR],
    ["an authority with a slash", authority("a/b"), PROTOCOL_ERROR],
    ["an empty authority", authority(""), PROTOCOL_ERROR],
    ["an authority with a port that is none", authority("a:99999"), MALFORMED],
    ["an authority with two dots", authority("a..b"), MALFORMED],
    ["a host beside another authority", request("/", [["host", "b.example"]]), MALFORMED],
    [
      "two hosts",
      request("/", [
        ["host", "a.example"],
        ["host", "a.example"],
      ]),
      PROTOCOL_ERROR,
    ],
    // Framing.
    ["a length, and nothing behind the head", post([["content-length", "5"]]), PROTOCOL_ERROR],
    [
      "two lengths",
      post([
        ["content-length", "5"],
        ["content-length", "5"],
      ]),
      PROTOCOL_ERROR,
      false,
    ],
    ["a list of lengths", post([["content-length", "5, 5"]]), PROTOCOL_ERROR, false],
    ["a length with a sign", post([["content-length", "+5"]]), PROTOCOL_ERROR, false],
    ["a length that is no number", post([["content-length", "0x5"]]), PROTOCOL_ERROR, false],
    ["an empty length", post([["content-length", ""]]), PROTOCOL_ERROR, false],
    ["a length beyond 2^53", post([["content-length", "9007199254740993"]]), MALFORMED, false],
    [
      "a length beyond all numbers",
      post([["content-length", "99999999999999999999"]]),
      PROTOCOL_ERROR,
      false,
    ],
    // CONNECT.
    [
      "CONNECT",
      [
        [":method", "CONNECT"],
        [":authority", "b.example:443"],
      ],
      "status 501",
    ],
    ["CONNECT with a path", request("/", [], "CONNECT"), PROTOCOL_ERROR],
    [":protocol without CONNECT", [[":protocol", "websocket"], ...request("/")], PROTOCOL_ERROR],
  ];
  for (const [what, fields, outcome, ended = true] of cases) {
    it(`for ${what}`, async () => {
      assert.equal(await outcomeOf(fields, Flag.endHeaders | (ended ? Flag.endStream : Flag.none)), outcome);
      assert.deepEqual(origin.requests, []);
    });
  }

  function authority(text: string): Fields {
    return [...request("/").slice(0, 3), [":authority", text]];
  }
});

/** nghttp2 leaves such a field out, and the request goes on without it. */
describe("a field that is left out", () => {
  const cases: ReadonlyArray<readonly [what: string, name: string, value: string]> = [
    ["a line break in its value", "x-y", "z\r\nx-smuggled: 1"],
    ["a bare LF in its value", "x-y", "z\nx-smuggled: 1"],
    ["a bare CR in its value", "x-y", "z\rx-smuggled: 1"],
    ["NUL in its value", "x-y", "z\0x-smuggled"],
    ["DEL in its value", "x-y", "z\x7fx-smuggled"],
    ["a line break in its name", "x-y: z\r\nx-smuggled", "1"],
    ["a colon in its name", "x-smuggled:", "1"],
    ["a space in its name", "x-smuggled ", "1"],
    ["NUL in its name", "x-smuggled\0", "1"],
    ["no name", "", "x-smuggled"],
  ];
  for (const [what, name, value] of cases) {
    it(`for ${what}`, async () => {
      assert.equal(
        await outcomeOf(
          request("/", [
            ["x-a", "1"],
            [name, value],
            ["x-b", "2"],
          ]),
        ),
        "status 200",
      );
      const names = origin.only.fields.map(([one]) => one.toLowerCase());
      assert.ok(names.includes("x-a") && names.includes("x-b"));
      assert.doesNotMatch(origin.backend.text, /x-smuggled/i);
    });
  }
});

describe("a body that is not what was declared", () => {
  for (const [what, text] of [
    ["shorter", "ab"],
    ["longer", "abcdef"],
  ] as const) {
    it(`ends its stream where it is ${what}, and is no whole request`, async () => {
      const client = await FrameClient.connect(gateway.port);
      const stream = client.request(request("/", [["content-length", "4"]], "POST"), Flag.endHeaders);
      client.data(stream, text);
      assert.match(await client.outcome(stream), /^(RST_STREAM 1|GOAWAY [12])$/);
      client.destroy();
      assert.deepEqual(origin.requests, []);
    });
  }

  const resets = [
    ["POST", ErrorCode.noError],
    ["POST", ErrorCode.cancel],
    // Of a HEAD node:http2 has ended the response before it begins, and says less.
    ["HEAD", ErrorCode.noError],
  ] as const;
  for (const [method, code] of resets) {
    it(`is no whole request where the client resets it with code ${code}, by ${method}`, async (t) => {
      const backend = await RawBackend.start(() => {});
      const own = await TestGateway.start(proxyTo(backend.port), { server: "h2c: true" });
      t.after(async () => {
        await own.stop("SIGKILL");
        await backend.stop();
      });
      const client = await FrameClient.connect(own.port);
      const stream = client.request(request("/", [], method), Flag.endHeaders);
      client.data(stream, "abc", false);
      const connection = await backend.connection(0);
      await connection.until("abc");
      client.reset(stream, code);
      assert.doesNotMatch(await connection.untilEnd(), /\r\n0\r\n/);
      client.destroy();
    });
  }
});

describe("trailers that are refused", () => {
  const cases: ReadonlyArray<readonly [what: string, fields: Fields, flags: number]> = [
    ["a pseudo-field", [[":path", "/x"]], Flag.endHeaders | Flag.endStream],
    ["a name in upper case", [["X-T", "1"]], Flag.endHeaders | Flag.endStream],
    ["transfer-encoding", [["transfer-encoding", "chunked"]], Flag.endHeaders | Flag.endStream],
    ["content-length", [["content-length", "1"]], Flag.endHeaders | Flag.endStream],
    ["no end of the stream", [["x-t", "1"]], Flag.endHeaders],
  ];
  for (const [what, fields, flags] of cases) {
    it(`for ${what}`, async () => {
      const client = await FrameClient.connect(gateway.port);
      const stream = client.request(request("/", [], "POST"), Flag.endHeaders);
      client.data(stream, "abc", false);
      client.send(FrameType.headers, flags, stream, fieldBlock(fields));
      assert.equal(await client.outcome(stream), PROTOCOL_ERROR);
      assert.deepEqual(origin.requests, []);
      client.destroy();
    });
  }

  it("lose those that may not be there, and those with a line break", async () => {
    const client = await FrameClient.connect(gateway.port);
    const stream = client.request(request("/", [], "POST"), Flag.endHeaders);
    client.data(stream, "abc", false);
    const trailers: Fields = [
      ["x-t", "1"],
      ["x-u", "1\r\nx-smuggled: 1"],
      ["authorization", "x"],
    ];
    client.send(FrameType.headers, Flag.endHeaders | Flag.endStream, stream, fieldBlock(trailers));
    assert.equal(await client.outcome(stream), "status 200");
    assert.deepEqual(
      origin.only.trailers.map(([name]) => name.toLowerCase()),
      ["x-t"],
    );
    client.destroy();
  });
});

describe("whatever bytes a field has", { timeout: 60_000 }, () => {
  const octets = fc
    .array(fc.integer({ min: 0, max: 255 }), { maxLength: 12 })
    .map((codes) => String.fromCharCode(...codes));

  it("the backend reads the request that was sent, or none", async () => {
    const client = await FrameClient.connect(gateway.port);
    await fc.assert(
      fc.asyncProperty(fc.oneof(octets, fc.constant("x-y")), octets, async (name, value) => {
        origin.reset();
        const outcome = await client.outcome(
          client.request(
            request("/fuzzed", [
              [name, value],
              ["x-last", "1"],
            ]),
          ),
        );
        if (outcome !== "status 200") {
          assert.match(outcome, /^(RST_STREAM 1|status 4\d\d|status 501)$/);
          assert.deepEqual(origin.requests, []);
          return;
        }
        // The reading of the origin is strict: it throws where the gateway sent something malformed.
        const { target, fields, body } = origin.only;
        assert.deepEqual([target, body], ["/fuzzed", ""]);
        const own = /^(host|x-forwarded-(for|proto|host)|x-real-ip|via|x-last)$/;
        const others = fields.filter(([one]) => !own.test(one.toLowerCase()));
        assert.ok(others.length <= 1);
        for (const other of others) assert.deepEqual([...other], [name, value]);
      }),
      { numRuns: 150 },
    );
    client.destroy();
  });
});
