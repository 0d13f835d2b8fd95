// Guards of backends over HTTP/2: what goes to them, what comes from them, and what becomes of exchanges when they end.

import type { Mutation } from "./mutation.ts";

const ABUSE = ["test/upstream/h2-abuse.test.ts"];
const SESSIONS = ["test/upstream/h2-{pool,sessions}.test.ts"];
const WHOLE = ["test/upstream/h2.test.ts"];
const RESPONSE = ["src/data/http2/backend-response.test.ts"];

const response = "src/data/http2/backend-response.ts";
const stream = "src/data/http2/backend-stream.ts";
const session = "src/data/http2/backend-session.ts";
const pool = "src/data/upstream/http2-pool.ts";
const head = "src/data/actions/forwarded-head.ts";
const proxy = "src/data/actions/proxy.ts";

export const H2_BACKEND_MUTATIONS: readonly Mutation[] = [
  // ---- heads ----
  {
    name: "h2 response: a status is one",
    file: response,
    find: "if (status < 100 || status > 599) return",
    replace: "if (status < 0) return",
    tests: RESPONSE,
  },
  {
    name: "h2 response: no 101",
    file: response,
    find: "if (status === 101) return",
    replace: "if (status === -1) return",
    tests: RESPONSE,
  },
  {
    name: "h2 response: Content-Length is a number",
    file: response,
    find: "if (lengthText !== null && length === null)",
    replace: "if (lengthText === null && length !== null)",
    tests: RESPONSE,
  },
  {
    name: "h2 response: no length without a body",
    file: response,
    find: "if (last && length !== null && length > 0) return",
    replace: "if (last && length !== null && length < 0) return",
    tests: RESPONSE,
  },
  {
    name: "h2 response: no field of HTTP/1.1 connections",
    file: response,
    find: "if (id > Field.other && id <= LAST_OF_CONNECTION && id !== Field.te)",
    replace: "if (id < -9)",
    tests: RESPONSE,
  },
  {
    name: "h2 response: a limit on the number of fields",
    file: response,
    find: "if (collector.count > most)",
    replace: "if (collector.count < 0)",
    tests: RESPONSE,
  },
  {
    name: "h2 response: a limit on the bytes of fields",
    file: response,
    find: "if (collector.bytes > MAX_RESPONSE_FIELD_BYTES)",
    replace: "if (collector.bytes < 0)",
    tests: RESPONSE,
  },
  {
    name: "h2 response: fields are fit for HTTP/1.1",
    file: response,
    find: 'if (typeof id === "string") return id;',
    replace: 'if (typeof id === "string") continue;',
    tests: RESPONSE,
  },
  {
    name: "h2 response: a limit on informational responses",
    file: stream,
    find: "else if (++this.#informational > MAX_INFORMATIONAL)",
    replace: "else if (++this.#informational < 0)",
    tests: ABUSE,
  },
  {
    name: "h2 request: nothing of the client's connection",
    file: head,
    find: "if (colon > 0 && !NOT_OF_HTTP2.has(name))",
    replace: "if (colon > 0)",
    tests: WHOLE,
  },
  {
    name: "h2 request: names in lower case",
    file: head,
    find: "const name = line.slice(0, colon).toLowerCase();",
    replace: "const name = line.slice(0, colon);",
    tests: WHOLE,
  },
  // ---- bodies ----
  {
    name: "h2 response: a stream that was reset is not whole",
    file: stream,
    find: "if (chunk === null && !this.closed) whole.add(this);",
    replace: "if (chunk === null) whole.add(this);",
    tests: ABUSE,
  },
  {
    name: "h2 response: RST_STREAM behind all of Content-Length is an end",
    file: stream,
    find: "if (this.#state === OVER || !(whole.has(stream) || this.#missing === 0)) return;",
    replace: "if (this.#state === OVER || !whole.has(stream)) return;",
    tests: ABUSE,
  },
  {
    name: "h2 request: half of a body is never ended",
    file: stream,
    find: "stream._final = endsNothing;",
    replace: "",
    tests: SESSIONS,
  },
  {
    name: "h2 request: a chunk is copied",
    file: stream,
    find: "stream.write(Buffer.from(chunk));",
    replace: "stream.write(chunk);",
    tests: WHOLE,
  },
  {
    name: "h2 response: a slow client stops the stream",
    file: stream,
    find: "this.#stream?.pause();",
    replace: "",
    tests: WHOLE,
  },
  {
    name: "h2 response: what came before the connection closed is passed on",
    file: session,
    find: "for (const stream of this.#streams.all()) stream.takeRest();",
    replace: "",
    tests: SESSIONS,
  },
  {
    name: "h2 response: it has its time",
    file: stream,
    find: "if (this.#requestEnded || stream.writableNeedDrain)",
    replace: "if (stream.writableNeedDrain)",
    tests: ["test/grpc/calls.test.ts"],
  },
  {
    name: "h2 response: a pause in it has its time",
    file: stream,
    find: "this.#state = BODY;\n    this.#deadlines.set(this, this.#idleMs);",
    replace: "this.#state = BODY;\n    this.#deadlines.clear(this);",
    tests: ["test/grpc/calls.test.ts"],
  },
  // ---- sessions ----
  {
    name: "h2 sessions: ALPN has to agree to it",
    file: session,
    find: 'if (socket.alpnProtocol === "h2") this.#begin();',
    replace: "if (socket.alpnProtocol !== null) this.#begin();",
    tests: WHOLE,
  },
  {
    name: "h2 sessions: a time for connecting",
    file: session,
    find: "thread.deadlines.set(this, connectMs);",
    replace: "",
    tests: WHOLE,
  },
  {
    name: "h2 sessions: no more streams than the backend allows",
    file: session,
    find: "this.#streams.size < this.#maxStreams &&",
    replace: "this.#streams.size < 1e9 &&",
    tests: SESSIONS,
  },
  {
    name: "h2 sessions: who waited goes elsewhere where there are too many",
    file: session,
    find: "if (taken++ < this.#maxStreams) stream.connected();",
    replace: "if (taken++ < 1e9) stream.connected();",
    tests: SESSIONS,
  },
  {
    name: "h2 sessions: one that allows no streams is of no use",
    file: session,
    find: "if (this.#maxStreams === 0) {",
    replace: "if (this.#maxStreams < 0) {",
    tests: SESSIONS,
  },
  {
    name: "h2 sessions: a stream above GOAWAY was not looked at, one below was",
    file: session,
    find: "(this.#lastStreamId !== null && id > this.#lastStreamId)",
    replace: "this.#lastStreamId !== null",
    tests: SESSIONS,
  },
  {
    name: "h2 sessions: a dead one is given up",
    file: session,
    find: "this.#home.thread.deadlines.set(this, PING_TIMEOUT_MS);",
    replace: "",
    tests: SESSIONS,
  },
  {
    name: "h2 sessions: an unused one ends",
    file: session,
    find: "if (isRoom && this.#home.keepsUnused) thread.deadlines.set(this, this.#keepAliveMs);",
    replace: "if (isRoom && this.#home.keepsUnused) thread.deadlines.clear(this);",
    tests: SESSIONS,
  },
  {
    name: "h2 sessions: those of a backend that was taken out end",
    file: pool,
    find: "if (session.users === 0) session.drain();",
    replace: "session;",
    tests: SESSIONS,
  },
  {
    name: "h2 pool: max_conn is held",
    file: pool,
    find: "if (!this.state.tryConnect(this.#maxExchanges)) return null;",
    replace: "if (!this.state.tryConnect(1e9)) return null;",
    tests: SESSIONS,
  },
  {
    name: "h2 pool: a place is given back, and who waits hears of it",
    file: pool,
    find: "this.state.disconnected();\n    if (this.#queue.wantsRoom) this.#queue.advance();",
    replace: "",
    tests: SESSIONS,
  },
  // ---- attempts ----
  {
    name: "h2 attempts: what is refused moves on",
    file: "src/data/upstream/retry.ts",
    find: 'return ERRORS[code].retry === "always";',
    replace: 'return code === "connect_failed" || code === "connect_timeout";',
    tests: SESSIONS,
  },
  {
    name: "h2 attempts: a backend that refuses is not asked for ever",
    file: proxy,
    find: "++this.#refusals <= MAX_REFUSALS",
    replace: "++this.#refusals <= 50",
    tests: SESSIONS,
  },
  {
    name: "h2 attempts: the body of what may be refused is kept",
    file: proxy,
    find: 'if (mayRepeat || this.#backend!.spec.protocol === "h2")',
    replace: "if (mayRepeat)",
    tests: SESSIONS,
  },
  {
    name: "h2 attempts: nothing is sent again once an answer began",
    file: session,
    find: "if (!answerBegan && (unseen ||",
    replace: "if ((unseen ||",
    tests: SESSIONS,
  },
  // ---- the rest ----
  {
    name: "h2 checks: ALPN has to agree to it",
    file: "src/control/health/check-attempt.ts",
    find: 'if (tlsOptions !== null && (this.#socket as TLSSocket).alpnProtocol !== "h2") {',
    replace: "if (tlsOptions !== null && (this.#socket as TLSSocket).alpnProtocol === null) {",
    tests: ["test/health/check-http2.test.ts"],
  },
  {
    name: "h2 checks: a service of gRPC has to be SERVING",
    file: "src/control/health/check-http2.ts",
    find: "return serving === SERVING",
    replace: "return serving >= 0",
    tests: ["test/health/check-http2.test.ts"],
  },
  {
    name: "h2 checks: gRPC has a status of its own",
    file: "src/control/health/check-http2.ts",
    find: 'if (grpcStatus !== "0") return',
    replace: 'if (grpcStatus === "-") return',
    tests: ["test/health/check-http2.test.ts"],
  },
  {
    name: "h2 config: no PROXY protocol",
    file: "src/config/backend-relations.ts",
    find: 'if (proxied !== undefined && textOf(backend, "protocol") === "h2")',
    replace: 'if (proxied !== undefined && textOf(backend, "protocol") === "h3")',
    tests: ["test/config/problems.test.ts"],
  },
  {
    name: "h2 config: another protocol, other connections",
    file: "src/control/upstreams.ts",
    find: 'protocol === "h2" ? ',
    replace: 'protocol === "h3" ? ',
    tests: ["src/control/upstreams.test.ts"],
  },
];
