// The guards that `mutate.ts` breaks: each with the text that is the guard, what it becomes, and tests that must notice.

export interface Mutation {
  readonly name: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Test files or patterns. */
  readonly tests: readonly string[];
}

const HTTP1 = ["src/data/http1/*.test.ts"];
const RULES = ["src/data/http1/*.test.ts", "test/http/*.test.ts"];
const UPSTREAM = ["src/data/upstream/**/*.test.ts", "test/upstream/*.test.ts"];

const parser = "src/data/http1/head-parser.ts";
const body = "src/data/http1/body-reader.ts";
const request = "src/data/http1/request-head.ts";
const response = "src/data/http1/response-head.ts";
const client = "src/data/http1/client.ts";
const server = "src/data/http1/server.ts";
const writer = "src/data/http1/writer.ts";

export const MUTATIONS: readonly Mutation[] = [
  // ---- heads ----
  {
    name: "a field name is a token",
    file: parser,
    find: 'if (bytes[i] !== COLON || i - base === this.#tokenStart) {\n            return this.#unexpected(bytes[i]!, "in a field name"',
    replace: 'if (bytes[i] === LF) {\n            return this.#unexpected(bytes[i]!, "in a field name"',
    tests: HTTP1,
  },
  {
    name: "no folded fields",
    file: parser,
    find: "if (bytes[i] === SP || bytes[i] === HTAB) {\n            return this.#fail(",
    replace: "if (bytes[i] === LF) {\n            return this.#fail(",
    tests: HTTP1,
  },
  {
    name: "no bare CR in a field value",
    file: parser,
    find: 'if (bytes[i] !== LF) return this.#unexpected(bytes[i]!, "behind a CR of a field", "LF");',
    replace: "",
    tests: HTTP1,
  },
  {
    name: "no control character in a field value",
    file: "src/data/http1/tables.ts",
    find: "byte === 0x09 || (byte >= 0x20 && byte !== 0x7f)",
    replace: "byte !== 0x0d",
    tests: HTTP1,
  },
  {
    name: "a target is visible ASCII",
    file: "src/data/http1/tables.ts",
    find: "byte > 0x20 && byte < 0x7f",
    replace: "byte > 0x20",
    tests: HTTP1,
  },
  {
    name: "HTTP/1.1 and HTTP/1.0 only",
    file: parser,
    find: "if (at === 5 ? digit === 1 : digit <= 1) return true;",
    replace: "if (at === 5 || digit <= 1) return true;",
    tests: HTTP1,
  },
  {
    name: "limit on the request line",
    file: parser,
    find: 'this.#limitAt = this.#kind === "trailers" ? limits.headerBytes : limits.lineBytes;',
    replace: "this.#limitAt = 1e9;",
    tests: RULES,
  },
  {
    name: "limit on header bytes",
    file: parser,
    find: "limit = i + this.#limits.headerBytes;",
    replace: "limit = i + 1e9;",
    tests: RULES,
  },
  {
    name: "limit on header count",
    file: parser,
    find: "if (this.#fields === this.#limits.headerCount) {",
    replace: "if (this.#fields === -1) {",
    tests: RULES,
  },
  // ---- what a request means ----
  {
    name: "a Host is required",
    file: request,
    find: "if (scan.hosts === 0 && minorVersion === 1)",
    replace: "if (scan.hosts === -1 && minorVersion === 1)",
    tests: RULES,
  },
  {
    name: "one Host only",
    file: request,
    find: "if (scan.hosts > 1)",
    replace: "if (scan.hosts > 9)",
    tests: RULES,
  },
  {
    name: "a Host is a host",
    file: request,
    find: "if (!isAll(HOST, host) || ",
    replace: "if (",
    tests: RULES,
  },
  {
    name: "not both Content-Length and Transfer-Encoding in a request",
    file: request,
    find: "if (scan.lengths > 0)",
    replace: "if (scan.lengths > 9)",
    tests: RULES,
  },
  {
    name: "no Transfer-Encoding in HTTP/1.0",
    file: request,
    find: "if (minorVersion === 0)",
    replace: "if (minorVersion === 9)",
    tests: RULES,
  },
  {
    name: "chunked is the only transfer coding of a request",
    file: request,
    find: 'if (equalsIgnoreCase(coding, "chunked")) return UNKNOWN_LENGTH;',
    replace: "if (true) return UNKNOWN_LENGTH;",
    tests: RULES,
  },
  {
    name: "one Content-Length only",
    file: request,
    find: "if (scan.lengths > 1)",
    replace: "if (scan.lengths > 9)",
    tests: RULES,
  },
  {
    name: "a Content-Length is digits",
    file: "src/data/http1/fields.ts",
    find: "if (digit < 0 || digit > 9) return null;",
    replace: "if (digit > 9) return null;",
    tests: HTTP1,
  },
  {
    name: "an absolute form replaces Host",
    file: request,
    find: "const authority = target.authority ?? named;",
    replace: "const authority = named;",
    tests: RULES,
  },
  {
    name: "CONNECT is refused",
    file: request,
    find: 'if (method === "CONNECT") {',
    replace: 'if (method === "-") {',
    tests: RULES,
  },
  {
    name: "h2c is not offered onwards",
    file: request,
    find: 'hasToken(lower, "h2c")',
    replace: 'hasToken(lower, "-")',
    tests: RULES,
  },
  {
    name: "fields that Connection names go no further",
    file: "src/data/http1/fields.ts",
    find: "if (id === Field.other || id > Field.host) headers.removeNamed(name);",
    replace: "",
    tests: RULES,
  },
  {
    name: "hop-by-hop fields go no further",
    file: "src/core/headers.ts",
    find: "if (id <= Field.lastHopByHop && id !== Field.other) continue;",
    replace: "if (id === Field.removed || id === Field.contentLength) continue;",
    tests: RULES,
  },
  {
    name: "X-Forwarded-* of a stranger is dropped",
    file: "src/data/forwarded.ts",
    find: "} else if (!exchange.peerTrusted) {",
    replace: "} else if (id < 0) {",
    tests: ["src/data/forwarded.test.ts", "test/http/forwarding.test.ts"],
  },
  // ---- bodies ----
  {
    name: "limit on chunk size digits",
    file: body,
    find: "if (++this.#digits > MAX_SIZE_DIGITS) {",
    replace: "if (++this.#digits > 99) {",
    tests: HTTP1,
  },
  {
    name: "a chunk size has digits",
    file: body,
    find: "} else if (this.#digits > 0 && byte === CR) {",
    replace: "} else if (byte === CR) {",
    tests: HTTP1,
  },
  {
    name: "LF behind a chunk size",
    file: body,
    find: 'if (byte !== LF) {\n            this.#unexpected(byte, "behind the CR of a chunk size", "LF");',
    replace: 'if (byte === 0) {\n            this.#unexpected(byte, "behind the CR of a chunk size", "LF");',
    tests: HTTP1,
  },
  {
    name: "CRLF behind the data of a chunk",
    file: body,
    find: "case DATA_CR:\n          if (byte !== CR) {",
    replace: "case DATA_CR:\n          if (byte === 0) {",
    tests: HTTP1,
  },
  {
    name: "limit on chunk extensions",
    file: body,
    find: "if (++this.#extensionBytes <= MAX_EXTENSION_BYTES) return true;",
    replace: "if (++this.#extensionBytes > 0) return true;",
    tests: HTTP1,
  },
  {
    name: "trailers are filtered",
    file: writer,
    find: "trailers.ids[i] === Field.other && !NOT_IN_TRAILERS.has(name.toLowerCase())",
    replace: 'name !== ""',
    tests: RULES,
  },
  {
    name: "declared limit on a body",
    file: "src/data/pipeline.ts",
    find: "if (spec.bodyBytes !== null && request.bodyLength > spec.bodyBytes) {",
    replace: "if (request.bodyLength < -9) {",
    tests: ["test/http/*.test.ts"],
  },
  {
    name: "streamed limit on a body",
    file: server,
    find: "if (exchange.maxBodyBytes !== null && exchange.bytesIn > exchange.maxBodyBytes) {",
    replace: "if (exchange.bytesIn < 0) {",
    tests: ["test/http/*.test.ts"],
  },
  {
    name: "a connection with an unread body is closed",
    file: server,
    find: "if (!complete || !this.#keepAlive",
    replace: "if (!this.#keepAlive",
    tests: ["test/http/*.test.ts"],
  },
  {
    name: "100 Continue once",
    file: server,
    find: "      this.#expectsContinue = false;\n      if (",
    replace: "      if (",
    tests: ["test/http/*.test.ts", "test/stream/*.test.ts"],
  },
  // ---- responses ----
  {
    name: "no body for HEAD, 204, 304",
    file: writer,
    find: 'if (method === "HEAD" || head.status === 204 || head.status === 304 || head.status < 200) return FRAME_NONE;',
    replace: "",
    tests: RULES,
  },
  {
    name: "not both Content-Length and Transfer-Encoding in a response",
    file: response,
    find: "if (coding !== null && lengthText !== null) {",
    replace: 'if (coding === "-" && lengthText !== null) {',
    tests: RULES,
  },
  {
    name: "chunked is the only transfer coding of a response",
    file: response,
    find: 'if (coding !== null && !equalsIgnoreCase(coding, "chunked"))',
    replace: 'if (coding === "-")',
    tests: RULES,
  },
  {
    name: "bytes behind a response end the connection",
    file: client,
    find: "if (nothingFollows && this.#keepAlive",
    replace: "if (this.#keepAlive",
    tests: [...RULES, ...UPSTREAM],
  },
  {
    name: "a backend that says close is believed",
    file: client,
    find: "nothingFollows && this.#keepAlive && this.#requestEnded",
    replace: "nothingFollows && this.#requestEnded",
    tests: [...RULES, ...UPSTREAM],
  },
  {
    name: "a request that was not sent whole ends the connection",
    file: client,
    find: "this.#keepAlive && this.#requestEnded &&",
    replace: "this.#keepAlive &&",
    tests: [...RULES, ...UPSTREAM],
  },
  {
    name: "a flood of informational responses",
    file: client,
    find: "if (++this.#informational > MAX_INFORMATIONAL) {",
    replace: "if (++this.#informational < 0) {",
    tests: RULES,
  },
  {
    name: "a 101 names a protocol that was offered",
    file: client,
    find: "if (protocol === null || this.#offered === null || !hasToken(this.#offered, protocol)) {",
    replace: "if (protocol === null) {",
    tests: RULES,
  },
  {
    name: "a truncated body is no end",
    file: server,
    find: "this.#state = CLOSING;\n    this.socket.resetAndDestroy();",
    replace: "this.#state = CLOSING;\n    this.socket.end();",
    tests: [...RULES, ...UPSTREAM],
  },
  {
    name: "only a body without framing ends with the connection",
    file: client,
    find: "if (this.#state === BODY && this.#body.untilClose) {",
    replace: "if (this.#state === BODY) {",
    tests: UPSTREAM,
  },
  // ---- retries and time ----
  {
    name: "only a reused connection is retried",
    file: "src/data/upstream/retry.ts",
    find: " || !attempt.reused) return false;",
    replace: ") return false;",
    tests: UPSTREAM,
  },
  {
    name: "no retry after a body was begun",
    file: "src/data/upstream/retry.ts",
    find: "attempt.responseStarted || attempt.bodyStarted || ",
    replace: "attempt.responseStarted || ",
    tests: UPSTREAM,
  },
  {
    name: "one retry only",
    file: "src/data/upstream/retry.ts",
    find: " || attempt.attempts > 1) return false;",
    replace: ") return false;",
    tests: UPSTREAM,
  },
  {
    name: "only idempotent methods are retried",
    file: "src/data/upstream/retry.ts",
    find: "return IDEMPOTENT.has(attempt.method);",
    replace: "return true;",
    tests: UPSTREAM,
  },
  {
    name: "a connect timeout",
    file: client,
    find: "deadlines.set(this, connectMs);",
    replace: "",
    tests: UPSTREAM,
  },
  {
    name: "unused connections to a backend are retired",
    file: client,
    find: "this.#deadlines.set(this, this.#times!.backendKeepAliveMs);",
    replace: "this.#deadlines.clear(this);",
    tests: UPSTREAM,
  },
  {
    name: "a slow body is refused",
    file: server,
    find: "if (exchange.bytesIn - this.#progress >= least) {",
    replace: "if (least >= 0) {",
    tests: ["test/stream/*.test.ts"],
  },
  {
    name: "a chunk that has to wait keeps its copy",
    file: "src/data/socket.ts",
    find: "if (socket.writableLength > 0) this.#buffer =",
    replace: "if (socket.writableLength < 0) this.#buffer =",
    tests: ["src/data/socket.test.ts"],
  },
  {
    name: "a bug ends its connection only",
    file: "src/data/socket.ts",
    find: "        failed(bug);",
    replace: "        throw bug;",
    tests: ["src/data/socket.test.ts"],
  },
  // ---- paths, routes, limits ----
  {
    name: "a path does not climb above the root",
    file: "src/core/path.ts",
    find: "if (kept.pop() === undefined) return PathProblems.aboveRoot;",
    replace: "kept.pop();",
    tests: ["src/core/path.test.ts"],
  },
  {
    name: "no dots hidden behind %2F or a semicolon",
    file: "src/core/path.ts",
    find: "if (HIDDEN_DOTS.test(segment)) return PathProblems.ambiguous;",
    replace: "",
    tests: ["src/core/path.test.ts"],
  },
  {
    name: "no encoded backslash",
    file: "src/core/path.ts",
    find: "if (code === 0x5c) return PathProblems.encodedBackslash;",
    replace: "",
    tests: ["src/core/path.test.ts"],
  },
  {
    name: "max_conn holds over all threads",
    file: "src/core/metrics.ts",
    find: "while (open < max) {",
    replace: "while (open >= 0) {",
    tests: ["src/core/metrics.test.ts"],
  },
  {
    name: "a refused connection is counted",
    file: "src/data/listener.ts",
    find: "metrics.add(Counter.refusedAtMaxConnections);",
    replace: "",
    tests: ["test/process/*.test.ts"],
  },
  {
    name: "an address that is held is an error",
    file: "src/control/gateway.ts",
    find: "await claimAddress(wanted)",
    replace: "wanted",
    tests: ["test/process/*.test.ts"],
  },
  {
    name: "a bad file changes nothing",
    file: "src/control/gateway.ts",
    find: 'this.#log.error("configuration not reloaded: the one before goes on");\n      return false;\n    }\n    for',
    replace: "process.exit(3);\n      return false;\n    }\n    for",
    tests: ["test/process/*.test.ts"],
  },

  // ---- who the client is ----
  {
    name: "the first address that is not trusted is the client",
    file: "src/data/forwarding-chain.ts",
    find: "if (!matchesAny(trusted, address)) break;",
    replace: "",
    tests: ["src/data/forwarding-chain.test.ts", "test/client/forwarded.test.ts"],
  },
  {
    name: "an element without an address ends the search",
    file: "src/data/forwarding-chain.ts",
    find: "if (address === null) break;",
    replace: "if (address === null) continue;",
    tests: ["src/data/forwarding-chain.test.ts", "test/client/forwarded.test.ts"],
  },
  {
    name: "a PROXY protocol line has six parts",
    file: "src/data/proxy-protocol.ts",
    find: " || parts.length !== 6",
    replace: "",
    tests: ["src/data/proxy-protocol.test.ts"],
  },
  {
    name: "a PROXY protocol header of version 2 is bounded",
    file: "src/data/proxy-protocol.ts",
    find: "length > V2_MAX_LENGTH",
    replace: "length > 65535",
    tests: ["src/data/proxy-protocol.test.ts"],
  },
  {
    name: "a client behind a PROXY protocol header is counted",
    file: "src/data/client-connection.ts",
    find: "if (!this.#admit()) return;",
    replace: "",
    tests: ["test/client/limit.test.ts"],
  },
  {
    name: "a connection that closes is given back to its client",
    file: "src/data/client-connection.ts",
    find: "if (this.#counted) this.thread.clients.release(this.thread.index, this.peerAddress);",
    replace: "",
    tests: ["test/client/limit.test.ts"],
  },
  {
    name: "a connection that is refused for its client holds no place in max_conn",
    file: "src/data/listener.ts",
    find: "metrics.releaseConnection();",
    replace: "",
    tests: ["test/client/limit.test.ts"],
  },
  {
    name: "a removed client leaves no gap in the table",
    file: "src/core/shared/client-counts.ts",
    find: "cells.copyWithin(this.#entryAt(gap), at, at + this.#entryCells);",
    replace: "break;",
    tests: ["src/core/shared/client-counts.test.ts"],
  },
];
