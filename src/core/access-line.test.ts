// Lines of the access log: what each format says, and that nobody can forge one. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type AccessRecord, accessRecord, combinedLine, jsonLine, type Logged } from "./access-line.ts";
import { GatewayError } from "./errors.ts";
import { HeaderList } from "./headers.ts";

const RECORD: AccessRecord = {
  timeMs: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
  client: "192.0.2.1",
  user: null,
  method: "GET",
  host: "a.test:8080",
  path: "/a/b?q=1",
  protocol: "HTTP/1.1",
  status: 200,
  bytesIn: 3,
  bytesOut: 1234,
  durationMs: 1.23456,
  route: "api",
  upstream: "default",
  backend: "b1",
  upstreamMs: 0.5,
  error: null,
  userAgent: "curl/8.0 (x)",
  referer: "http://a.test/",
};

const BARE: AccessRecord = {
  ...RECORD,
  method: "",
  host: null,
  path: "",
  protocol: "",
  status: 400,
  bytesOut: 0,
  route: null,
  upstream: null,
  backend: null,
  upstreamMs: null,
  error: "request_malformed",
  userAgent: null,
  referer: null,
};

/** Text of a client, and what stands for it in each format. */
const ESCAPES: ReadonlyArray<readonly [text: string, json: string, combined: string]> = [
  ["plain text", "plain text", "plain text"],
  ['say "hi"', 'say \\"hi\\"', 'say \\"hi\\"'],
  ["back\\slash", "back\\\\slash", "back\\\\slash"],
  ["a\r\nb", "a\\u000d\\u000ab", "a\\x0d\\x0ab"],
  ["\x1b[31m", "\\u001b[31m", "\\x1b[31m"],
  ["\0\t\x7f", "\\u0000\\u0009\\u007f", "\\x00\\x09\\x7f"],
  ["caf\xc3\xa9", "caf\\u00c3\\u00a9", "caf\\xc3\\xa9"],
  ["\u2028", "\\u2028", "\\u2028"],
];

describe("jsonLine", () => {
  it("has every key on every line", () => {
    assert.equal(
      jsonLine(RECORD),
      '{"time":"2026-01-02T03:04:05.006Z","client":"192.0.2.1","user":null,"method":"GET","host":"a.test:8080",' +
        '"path":"/a/b?q=1","protocol":"HTTP/1.1","status":200,"bytes_in":3,"bytes_out":1234,"duration_ms":1.235,' +
        '"route":"api","upstream":"default","backend":"b1","upstream_ms":0.5,"error":null,' +
        '"user_agent":"curl/8.0 (x)","referer":"http://a.test/"}\n',
    );
    assert.deepEqual(Object.keys(JSON.parse(jsonLine(BARE))), Object.keys(JSON.parse(jsonLine(RECORD))));
  });

  it("says null for what was not there", () => {
    const { host, route, upstream, backend, upstream_ms, user_agent, referer } = JSON.parse(jsonLine(BARE));
    assert.deepEqual(
      new Set([host, route, upstream, backend, upstream_ms, user_agent, referer]),
      new Set([null]),
    );
  });

  for (const [text, json] of ESCAPES) {
    it(`writes ${JSON.stringify(text)} as ${json}`, () => {
      assert.ok(jsonLine({ ...RECORD, userAgent: text }).includes(`"user_agent":"${json}"`));
    });
  }

  it("is one line of visible ASCII that reads back, whatever the texts are", () => {
    fc.assert(
      fc.property(anyRecord, (record) => {
        const line = jsonLine(record);
        assert.match(line, /^[ -~]*\n$/);
        const read = JSON.parse(line);
        assert.deepEqual(
          [
            read.client,
            read.method,
            read.host,
            read.path,
            read.protocol,
            read.route,
            read.upstream,
            read.backend,
          ],
          [
            record.client,
            record.method,
            record.host,
            record.path,
            record.protocol,
            record.route,
            record.upstream,
            record.backend,
          ],
        );
        assert.deepEqual(
          [read.error, read.user_agent, read.referer, Date.parse(read.time)],
          [record.error, record.userAgent, record.referer, record.timeMs],
        );
      }),
    );
  });
});

describe("combinedLine", () => {
  it("is Apache's combined format, in UTC", () => {
    assert.equal(
      combinedLine(RECORD),
      '192.0.2.1 - - [02/Jan/2026:03:04:05 +0000] "GET /a/b?q=1 HTTP/1.1" 200 1234 "http://a.test/" "curl/8.0 (x)"\n',
    );
  });

  it("says - for what was not there", () => {
    const { 2: user } = combinedLine({ ...RECORD, user: 'a "b"' }).split(" ");
    assert.equal(user, 'a\\x20\\"b\\"');
    assert.equal(combinedLine(BARE), '192.0.2.1 - - [02/Jan/2026:03:04:05 +0000] "-" 400 - "-" "-"\n');
  });

  for (const [text, , combined] of ESCAPES) {
    it(`writes ${JSON.stringify(text)} as ${combined}`, () => {
      assert.ok(combinedLine({ ...RECORD, userAgent: text }).endsWith(` "${combined}"\n`));
    });
  }

  it("is one line of visible ASCII with three quoted fields, whatever the texts are", () => {
    fc.assert(
      fc.property(anyRecord, (record) => {
        const quoted = String.raw`"(?:[^"\\]|\\.)+"`;
        const line = combinedLine({ ...record, client: "::1" });
        assert.match(line, /^[ -~]*\n$/);
        assert.match(line, new RegExp(`^::1 - - \\[[^\\]]+\\] ${quoted} 200 1234 ${quoted} ${quoted}\n$`));
      }),
    );
  });
});

describe("the time of a line", () => {
  const times: ReadonlyArray<readonly [timeMs: number, json: string, combined: string]> = [
    [0, "1970-01-01T00:00:00.000Z", "01/Jan/1970:00:00:00 +0000"],
    [Date.UTC(2026, 0, 2, 3, 4, 5, 6), "2026-01-02T03:04:05.006Z", "02/Jan/2026:03:04:05 +0000"],
    [Date.UTC(2026, 0, 2, 3, 4, 5, 60), "2026-01-02T03:04:05.060Z", "02/Jan/2026:03:04:05 +0000"],
    [Date.UTC(2026, 0, 2, 3, 4, 5, 999), "2026-01-02T03:04:05.999Z", "02/Jan/2026:03:04:05 +0000"],
    [Date.UTC(2026, 0, 2, 3, 4, 6, 0), "2026-01-02T03:04:06.000Z", "02/Jan/2026:03:04:06 +0000"],
    [Date.UTC(2024, 1, 29, 23, 59, 59, 1), "2024-02-29T23:59:59.001Z", "29/Feb/2024:23:59:59 +0000"],
  ];
  for (const [timeMs, json, combined] of times) {
    it(`is ${json}, or ${combined}`, () => {
      assert.ok(jsonLine({ ...RECORD, timeMs }).startsWith(`{"time":"${json}"`));
      assert.ok(combinedLine({ ...RECORD, timeMs }).includes(`[${combined}]`));
    });
  }
});

describe("accessRecord", () => {
  it("takes from an exchange what a line says", () => {
    const headers = new HeaderList();
    headers.add("User-Agent", "curl/8.0 (x)");
    headers.add("Referer", "http://a.test/");
    const request = {
      method: "GET",
      authority: "a.test:8080",
      path: "/a/b",
      query: "?q=1",
      protocol: "HTTP/1.1",
      headers,
    } as const;
    const proxied: Logged = {
      request,
      clientAddress: "192.0.2.1",
      user: "",
      status: 200,
      bytesIn: 3,
      bytesOut: 1234,
      route: "api",
      upstream: "default",
      backend: "b1",
      upstreamMs: 0.5,
      error: null,
    };
    assert.deepEqual(accessRecord(proxied, RECORD.durationMs, RECORD.timeMs), RECORD);
  });

  it("has null for what an exchange never reached", () => {
    const refused: Logged = {
      request: {
        method: "",
        authority: "",
        path: "",
        query: "",
        protocol: "HTTP/1.1",
        headers: new HeaderList(),
      },
      clientAddress: "192.0.2.1",
      user: "",
      status: 400,
      bytesIn: 3,
      bytesOut: 0,
      route: "",
      upstream: "",
      backend: "",
      upstreamMs: -1,
      error: new GatewayError("request_malformed", ""),
    };
    assert.deepEqual(accessRecord(refused, RECORD.durationMs, RECORD.timeMs), {
      ...BARE,
      protocol: "HTTP/1.1",
    });
  });
});

const anyText = fc.string({ unit: "binary", maxLength: 8 });
const anyTextOrNull = fc.option(anyText);
const anyRecord: fc.Arbitrary<AccessRecord> = fc.record({
  ...Object.fromEntries(Object.entries(RECORD).map(([key, value]) => [key, fc.constant(value)])),
  timeMs: fc.integer({ min: 0, max: 4e12 }),
  client: anyText,
  method: anyText,
  host: anyTextOrNull,
  path: anyText,
  protocol: anyText,
  route: anyTextOrNull,
  upstream: anyTextOrNull,
  backend: anyTextOrNull,
  error: anyTextOrNull,
  userAgent: anyTextOrNull,
  referer: anyTextOrNull,
}) as fc.Arbitrary<AccessRecord>;
