// Fields on their way: those of one hop go no further, in either direction, and the backend is told who asks. A real
// gateway between raw sockets; another one that trusts its peer.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { ask } from "./client.ts";
import { Pair } from "./pair.ts";
import { type Field, valuesOf } from "./strict-reading.ts";

let strangers: Pair;
let trusting: Pair;
before(async () => {
  strangers = await Pair.start();
  trusting = await Pair.start({ server: "trusted_proxies: [127.0.0.1/32]" });
});
beforeEach(() => {
  strangers.origin.reset();
  trusting.origin.reset();
});
after(async () => {
  await strangers.stop();
  await trusting.stop();
});

/** What the backend gets of a request with these fields. */
async function forwarded(pair: Pair, fields: readonly string[], start = "GET / HTTP/1.1"): Promise<Field[]> {
  await ask(pair.port, `${[start, "Host: a", ...fields].join("\r\n")}\r\n\r\n`);
  return [...pair.origin.only.fields];
}

const TOLD: readonly Field[] = [
  ["X-Forwarded-For", "127.0.0.1"],
  ["X-Forwarded-Proto", "http"],
  ["X-Forwarded-Host", "a"],
  ["x-real-ip", "127.0.0.1"],
  ["Via", "1.1 sluice"],
];

describe("a request", { timeout: 120_000 }, () => {
  it("keeps its fields, in their order and case, with every repetition", async () => {
    const fields = [
      "X-b: 1",
      "Accept: */*",
      "x-B: 2",
      "Cookie: a=\xe9",
      "Upgrade-Insecure-Requests: 1",
      "Trailer: x",
    ];
    const expected = fields.map((line) => line.split(": ") as unknown as Field);
    assert.deepEqual(await forwarded(strangers, fields), [["Host", "a"], ...expected, ...TOLD]);
  });

  const HOP_BY_HOP = [
    "Connection: keep-alive",
    "Keep-Alive: timeout=5",
    "Proxy-Connection: keep-alive",
    "Proxy-Authorization: Basic x",
    "Proxy-Authenticate: Basic",
    "HTTP2-Settings: x",
    "Expect: 100-continue",
    "Upgrade: websocket",
    "TE: trailers",
  ];
  for (const line of HOP_BY_HOP) {
    it(`loses what is for one hop: ${line}`, async () => {
      for (const form of [line, line.toLowerCase(), line.toUpperCase()]) {
        strangers.origin.reset();
        const fields = await forwarded(strangers, [form, "X: 1"]);
        // TE is a wish that the gateway passes on in its own words.
        const rest = fields.filter(([field]) => field.toLowerCase() !== "te" && field !== "Connection");
        assert.deepEqual(rest, [["Host", "a"], ["X", "1"], ...TOLD], form);
      }
    });
  }

  it("loses the fields that Connection names, in any case and from every line", async () => {
    const fields = [
      "Connection: x-a, X-B",
      "connection: ,close,\tx-c ,",
      "X-A: 1",
      "x-b: 2",
      "X-C: 3",
      "X-c: 4",
      "X-D: 5",
    ];
    assert.deepEqual(await forwarded(strangers, fields), [["Host", "a"], ["X-D", "5"], ...TOLD]);
  });

  it("cannot take out what the gateway itself says", async () => {
    const names =
      "Host, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Real-IP, Via, Content-Length";
    for (const pair of [strangers, trusting]) {
      const fields = await forwarded(pair, [`Connection: ${names}`, "X-Forwarded-For: 192.0.2.1"]);
      assert.deepEqual(fields, [["Host", "a"], ...TOLD]);
    }
  });

  const WISHES: ReadonlyArray<readonly [lines: string[], te: string[]]> = [
    [["TE: trailers"], ["trailers"]],
    [["TE: trailers", "Connection: TE"], ["trailers"]],
    [["TE: gzip, Trailers"], ["trailers"]],
    [["TE: gzip", "TE: trailers"], ["trailers"]],
    [["TE: gzip;q=0.5, deflate"], []],
    [["TE: xtrailers"], []],
    [["TE:"], []],
  ];
  for (const [lines, te] of WISHES) {
    it(`passes on of TE at most trailers: ${JSON.stringify(lines)}`, async () => {
      const fields = await forwarded(strangers, lines);
      assert.deepEqual(valuesOf(fields, "te"), te);
      assert.deepEqual(valuesOf(fields, "connection"), te.length === 0 ? [] : ["TE"]);
    });
  }
});

describe("a response", { timeout: 120_000 }, () => {
  it("loses what is for one hop, and keeps the rest", async () => {
    const lines = [
      "Connection: x-a, Keep-Alive",
      "Keep-Alive: timeout=5",
      "Proxy-Connection: keep-alive",
      "Proxy-Authenticate: Basic",
      "Upgrade: h2c",
      "TE: trailers",
      "X-A: 1",
      "Set-Cookie: a",
      "set-cookie: b",
      "Via: 1.1 backend",
      "X-Forwarded-For: kept",
      "Date: then",
      "Content-Length: 2",
    ];
    strangers.origin.answer = () => `HTTP/1.1 200 OK\r\n${lines.join("\r\n")}\r\n\r\nok`;
    const { answer } = await ask(strangers.port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert.deepEqual(answer.fields, [
      ["Set-Cookie", "a"],
      ["set-cookie", "b"],
      ["Via", "1.1 backend"],
      ["X-Forwarded-For", "kept"],
      ["Date", "then"],
      ["Content-Length", "2"],
    ]);
  });
});

const CLAIMS = [
  "X-Forwarded-For: 192.0.2.1",
  "x-forwarded-for: 192.0.2.2",
  "X-Forwarded-Proto: https",
  "X-Forwarded-Host: claimed.example",
  "X-Forwarded-Port: 443",
  "Forwarded: for=192.0.2.1",
  "X-Real-IP: 192.0.2.1",
  "X_Real_IP: 192.0.2.9",
  "X_Forwarded_For: 192.0.2.9",
  "Via: 1.0 first",
];

describe("what the backend is told of the client", { timeout: 120_000 }, () => {
  it("is the peer's address, whatever a stranger says", async () => {
    const told = TOLD.slice(0, -1);
    const expected = [["Host", "a"], ...told, ["Via", "1.0 first, 1.1 sluice"]];
    assert.deepEqual(await forwarded(strangers, CLAIMS), expected);
  });

  it("is what a trusted proxy says, and the proxy's own address", async () => {
    assert.deepEqual(await forwarded(trusting, CLAIMS), [
      ["Host", "a"],
      ["X-Forwarded-Port", "443"],
      ["X-Forwarded-For", "192.0.2.1, 192.0.2.2, 127.0.0.1"],
      ["X-Forwarded-Proto", "https"],
      ["X-Forwarded-Host", "claimed.example"],
      ["Forwarded", "for=192.0.2.1, for=127.0.0.1;proto=http"],
      ["x-real-ip", "192.0.2.2"],
      ["Via", "1.0 first, 1.1 sluice"],
    ]);
  });

  it("is the proxy's address where that names none, or two", async () => {
    for (const lines of [[], ["X-Real-IP: unknown"], ["X-Real-IP: 192.0.2.1", "X-Real-IP: 192.0.2.2"]]) {
      trusting.origin.reset();
      assert.deepEqual(valuesOf(await forwarded(trusting, lines), "x-real-ip"), ["127.0.0.1"]);
    }
  });

  it("names the version of the client's request in Via", async () => {
    const fields = await forwarded(strangers, [], "GET / HTTP/1.0");
    assert.deepEqual(valuesOf(fields, "via"), ["1.0 sluice"]);
  });
});
