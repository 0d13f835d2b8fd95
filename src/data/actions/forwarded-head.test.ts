// The head of a request as a backend gets it, byte by byte. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BackendSpec, ProxySpec } from "../../config/snapshot.ts";
import { type ClientStream, Exchange, type RequestHead, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { HeaderList } from "../../core/headers.ts";
import { ForwardedHead } from "./forwarded-head.ts";

type Fields = ReadonlyArray<readonly [name: string, value: string]>;

const BACKEND = { hostName: "origin.example", port: 8080, socketPath: null } as BackendSpec;
const AS_IT_IS = { stripPrefix: null, rewrite: null } as ProxySpec;

/** What the gateway adds of itself. */
const OWN = [
  "X-Forwarded-For: 192.0.2.1",
  "X-Forwarded-Proto: http",
  "X-Forwarded-Host: shop.example",
  "X-Real-IP: 192.0.2.1",
  "Via: 1.1 sluice",
];

function exchangeOf(fields: Fields, about: Partial<RequestHead> = {}): Exchange {
  const headers = new HeaderList();
  for (const [name, value] of fields) headers.add(name, value);
  const request: RequestHead = {
    method: "GET",
    path: "/",
    query: "",
    authority: "shop.example",
    host: "shop.example",
    protocol: "HTTP/1.1",
    headers,
    bodyLength: 0,
    upgrade: null,
    ...about,
  };
  return new Exchange(request, { tls: null } as ClientStream, "192.0.2.1", 0);
}

function textOf(
  fields: Fields,
  about: Partial<RequestHead> = {},
  spec = AS_IT_IS,
  backend = BACKEND,
): string {
  return new ForwardedHead(exchangeOf(fields, about), spec, "X-Real-IP").textFor(backend);
}

/** Without the gateway's own lines, which are always the same. */
function linesOf(...request: Parameters<typeof textOf>): string[] {
  const text = textOf(...request);
  assert.ok(text.endsWith("\r\n\r\n"));
  return text
    .slice(0, -4)
    .split("\r\n")
    .filter((line) => !OWN.includes(line));
}

function targetOf(spec: Partial<ProxySpec>, about: Partial<RequestHead>): string {
  const [line] = linesOf([], about, { ...AS_IT_IS, ...spec });
  return line!.split(" ")[1]!;
}

describe("the head that a backend gets", () => {
  it("is the request line, the Host, the client's fields in their order, and then the gateway's own", () => {
    const fields: Fields = [
      ["Host", "shop.example"],
      ["User-Agent", "test"],
      ["Cookie", "a=1"],
      ["Accept", "*/*"],
      ["cookie", "b=2"],
    ];
    const client = ["User-Agent: test", "Cookie: a=1", "Accept: */*", "cookie: b=2"];
    const lines = ["GET /list?page=2 HTTP/1.1", "Host: shop.example", ...client, ...OWN, "", ""];
    assert.equal(textOf(fields, { path: "/list", query: "?page=2" }), lines.join("\r\n"));
  });

  it("is HTTP/1.1 and has the method as it came, whatever the client speaks", () => {
    const [line] = linesOf([], { protocol: "HTTP/1.0", method: "PATCH" });
    assert.equal(line, "PATCH / HTTP/1.1");
  });

  it("has one Host: that of the request, not that of the field", () => {
    const lines = linesOf([["Host", "field.example"]], { authority: "target.example:81" });
    assert.deepEqual(
      lines.filter((line) => /^host:/i.test(line)),
      ["Host: target.example:81"],
    );
  });

  const HOSTS: ReadonlyArray<readonly [what: string, backend: Partial<BackendSpec>, host: string]> = [
    ["its name and port", {}, "origin.example:8080"],
    ["its address in brackets", { hostName: "2001:db8::1" }, "[2001:db8::1]:8080"],
    ["localhost at a unix socket", { socketPath: "/run/app.sock" }, "localhost"],
  ];
  for (const [what, backend, host] of HOSTS) {
    it(`names the backend where the client named no host: ${what}`, () => {
      const about: Partial<RequestHead> = { authority: "", host: "", protocol: "HTTP/1.0" };
      assert.equal(linesOf([], about, AS_IT_IS, { ...BACKEND, ...backend })[1], `Host: ${host}`);
      assert.equal(linesOf([], {}, AS_IT_IS, { ...BACKEND, ...backend })[1], "Host: shop.example");
    });
  }

  it("is the same for the next backend but for a Host that the client did not name", () => {
    const exchange = exchangeOf([["X-Forwarded-For", "10.9.8.7"]], { authority: "", host: "" });
    const head = new ForwardedHead(exchange, AS_IT_IS, "X-Real-IP");
    const first = head.textFor(BACKEND);
    const second = head.textFor({ ...BACKEND, hostName: "second.example", port: 81 });
    assert.equal(second, first.replace("origin.example:8080", "second.example:81"));
  });
});

describe("the framing that a backend gets", () => {
  const TABLE: ReadonlyArray<{
    readonly what: string;
    readonly fields?: Fields;
    readonly about?: Partial<RequestHead>;
    readonly lines: readonly string[];
  }> = [
    { what: "nothing where there is no body", lines: [] },
    {
      what: "the length of a body",
      fields: [["Content-Length", "007"]],
      about: { method: "POST", bodyLength: 7 },
      lines: ["Content-Length: 7"],
    },
    {
      what: "a length of 0 where the client sent one",
      fields: [["Content-Length", "0"]],
      about: { method: "POST" },
      lines: ["Content-Length: 0"],
    },
    {
      what: "chunks where the length is unknown",
      fields: [["Transfer-Encoding", "Chunked"]],
      about: { method: "POST", bodyLength: UNKNOWN_LENGTH },
      lines: ["Transfer-Encoding: chunked"],
    },
  ];
  for (const { what, fields = [], about = {}, lines } of TABLE) {
    it(`is ${what}`, () => {
      const framing = linesOf(fields, about).filter((line) => /^(content-length|transfer-)/i.test(line));
      assert.deepEqual(framing, lines);
    });
  }
});

describe("what is between the client and the gateway only", () => {
  for (const [name, value] of [
    ["Keep-Alive", "timeout=5"],
    ["Proxy-Connection", "keep-alive"],
    ["Proxy-Authorization", "Basic x"],
    ["Connection", "keep-alive"],
    ["HTTP2-Settings", "AAMAAABk"],
    ["Expect", "100-continue"],
    ["TE", "gzip"],
    ["Upgrade", "h2c"],
  ] as const) {
    it(`goes no further: ${name}: ${value}`, () => {
      const lines = linesOf([
        ["Before", "1"],
        [name, value],
        ["After", "2"],
      ]);
      assert.deepEqual(lines.slice(2), ["Before: 1", "After: 2"]);
    });
  }

  it("is said anew where trailers are wanted", () => {
    const fields: Fields = [
      ["TE", "gzip;q=0.5"],
      ["te", "Trailers"],
      ["Connection", "TE"],
    ];
    assert.deepEqual(linesOf(fields).slice(2), ["TE: trailers", "Connection: TE"]);
  });

  it("is said anew where another protocol is offered, and that only", () => {
    const fields: Fields = [
      ["Upgrade", "WebSocket"],
      ["Connection", "Upgrade, TE"],
      ["TE", "trailers"],
      ["Sec-WebSocket-Key", "dGVzdA=="],
    ];
    const lines = linesOf(fields, { upgrade: "websocket" }).slice(2);
    assert.deepEqual(lines, ["Sec-WebSocket-Key: dGVzdA==", "Connection: Upgrade", "Upgrade: websocket"]);
  });
});

describe("the target that a backend gets", () => {
  const PREFIXES: ReadonlyArray<readonly [prefix: string, path: string, target: string]> = [
    ["/api", "/api/users", "/users"],
    ["/api", "/api/", "/"],
    ["/api", "/api", "/"],
    ["/api", "/apix", "/apix"],
    ["/api", "/apix/users", "/apix/users"],
    ["/api", "/other", "/other"],
    ["/api", "/api/api/users", "/api/users"],
    ["/api/", "/api/users", "/users"],
    ["/api/", "/api/", "/"],
    ["/api/", "/api", "/api"],
    ["/", "/users", "/users"],
    ["/a/b", "/a/b/c%2Fd", "/c%2Fd"],
  ];
  for (const [stripPrefix, path, target] of PREFIXES) {
    it(`is ${target} of ${path} without ${stripPrefix}`, () => {
      assert.equal(targetOf({ stripPrefix }, { path }), target);
      assert.equal(targetOf({ stripPrefix }, { path, query: "?q=/api" }), `${target}?q=/api`);
    });
  }

  it("is rewritten from what is left of the path, and has a query where the rule says so", () => {
    const about: Partial<RequestHead> = { path: "/api/users", query: "?page=2" };
    const rewrite: ProxySpec["rewrite"] = ["/v2", { variable: "path" }];
    assert.equal(targetOf({ stripPrefix: "/api", rewrite }, about), "/v2/users");
    assert.equal(targetOf({ rewrite: ["/v2", { variable: "uri" }] }, about), "/v2/api/users?page=2");
    const all: ProxySpec["rewrite"] = [
      "/",
      { variable: "scheme" },
      "/",
      { variable: "host" },
      { variable: "path" },
      { variable: "query" },
    ];
    assert.equal(targetOf({ rewrite: all }, about), "/http/shop.example/api/users?page=2");
  });

  it("stays * where the whole server is meant", () => {
    const about: Partial<RequestHead> = { method: "OPTIONS", path: "*" };
    assert.equal(targetOf({}, about), "*");
    assert.equal(targetOf({ stripPrefix: "/api", rewrite: ["/v2"] }, about), "*");
  });
});
