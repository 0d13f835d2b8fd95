// Guards of HTTP/2 towards clients.

import type { Mutation } from "./mutation.ts";

const UNIT = ["src/data/http2/*.test.ts"];
const EXCHANGES = ["test/http2/exchanges.test.ts"];
const SMUGGLING = ["test/http2/smuggling.test.ts"];
const BODIES = ["test/http2/bodies.test.ts"];
const WEBSOCKET = ["test/http2/websocket.test.ts"];
const ABUSE = ["test/http2/abuse.test.ts"];
const LIFECYCLE = ["test/http2/lifecycle.test.ts"];
const TLS = ["test/http2/tls.test.ts"];

const fields = "src/data/http2/fields.ts";
const head = "src/data/http2/request-head.ts";
const stream = "src/data/http2/stream.ts";
const connection = "src/data/http2/connection.ts";
const events = "src/data/http2/stream-events.ts";
const tables = "src/data/http2/stream-tables.ts";
const serve = "src/data/serve.ts";

export const HTTP2_MUTATIONS: readonly Mutation[] = [
  {
    name: "HTTP/2: a field name is a token in lower case",
    file: fields,
    find: "isAll(TOKEN, name) && !UPPER_CASE.test(name)",
    replace: 'name !== ""',
    tests: UNIT,
  },
  {
    name: "HTTP/2: no control character in a field value",
    file: fields,
    find: "!NOT_IN_VALUE.test(value)",
    replace: 'value !== "\\n"',
    tests: UNIT,
  },
  {
    name: "HTTP/2: no white space around a field value",
    file: fields,
    find: "!isSpace(value.charCodeAt(0))",
    replace: 'value !== "\\n"',
    tests: UNIT,
  },
  {
    name: "HTTP/2: the crumbs of a cookie are one field",
    file: fields,
    find: 'if (name === "cookie") {',
    replace: 'if (name === "Cookie") {',
    tests: UNIT,
  },
  {
    name: "HTTP/2: fields of a connection are not copied",
    file: fields,
    find: "if (id <= Field.lastHopByHop && id !== Field.other) continue;",
    replace: "",
    tests: EXCHANGES,
  },
  {
    name: "HTTP/2: trailers are filtered",
    file: fields,
    find: "if (!mayBeTrailer(trailers, i)) continue;",
    replace: "",
    tests: EXCHANGES,
  },
  {
    name: "HTTP/2: transfer-encoding is refused",
    file: head,
    find: "      case Field.transferEncoding:\n",
    replace: "",
    tests: UNIT,
  },
  {
    name: "HTTP/2: upgrade is refused",
    file: head,
    find: "      case Field.upgrade:\n",
    replace: "",
    tests: UNIT,
  },
  {
    name: "HTTP/2: te is trailers",
    file: head,
    find: 'if (!equalsIgnoreCase(value, "trailers"))',
    replace: 'if (value === "")',
    tests: UNIT,
  },
  {
    name: "HTTP/2: one host",
    file: head,
    find: 'if (named !== null) return malformed("more than one host',
    replace: 'if (named === "") return malformed("more than one host',
    tests: UNIT,
  },
  {
    name: "HTTP/2: host and authority agree",
    file: head,
    find: "named.toLowerCase() !== whole.toLowerCase()",
    replace: 'named === ""',
    tests: UNIT,
  },
  {
    name: "HTTP/2: one length",
    file: head,
    find: "if (length !== null) return malformed",
    replace: "if (length === -1) return malformed",
    tests: UNIT,
  },
  {
    name: "HTTP/2: a length is a number",
    file: head,
    find: "if (length === null)\n",
    replace: "if (length === -1)\n",
    tests: UNIT,
  },
  {
    name: "HTTP/2: no length of what has ended",
    file: head,
    find: "if (ended && length !== null && length > 0)",
    replace: "if (ended && length === -1)",
    tests: UNIT,
  },
  {
    name: "HTTP/2: a pseudo-field once",
    file: head,
    find: "if (pseudo[key] !== null) return",
    replace: 'if (pseudo[key] === "") return',
    tests: UNIT,
  },
  {
    name: "HTTP/2: a method is a token",
    file: head,
    find: "method === null || !isAll(TOKEN, method)",
    replace: "method === null",
    tests: UNIT,
  },
  {
    name: "HTTP/2: a scheme that is known",
    file: head,
    find: 'scheme !== "http" && scheme !== "https"',
    replace: 'scheme === ""',
    tests: UNIT,
  },
  {
    name: "HTTP/2: a host that is one",
    file: head,
    find: "if (host === null) return malformed",
    replace: 'if (host === "") return malformed',
    tests: UNIT,
  },
  {
    name: "HTTP/2: no forward proxy",
    file: head,
    find: "if (protocol === null)\n",
    replace: 'if (protocol === "")\n',
    tests: UNIT,
  },
  {
    name: "HTTP/2: no other protocol than websocket",
    file: head,
    find: 'if (!equalsIgnoreCase(protocol, "websocket"))',
    replace: 'if (protocol === "")',
    tests: UNIT,
  },
  {
    name: "HTTP/2: a limit on the request line",
    file: head,
    find: " > lineBytes)",
    replace: " > 1e9)",
    tests: UNIT,
  },
  {
    name: "HTTP/2: a limit on the bytes of fields",
    file: head,
    find: "if (bytes > headerBytes)",
    replace: "if (bytes > 1e9)",
    tests: UNIT,
  },
  {
    name: "HTTP/2: a limit on the number of fields",
    file: head,
    find: "if (count > headerCount)",
    replace: "if (count > 1e9)",
    tests: UNIT,
  },
  {
    name: "HTTP/2: the key of a WebSocket is the gateway's",
    file: head,
    find: 'headers.removeNamed("sec-websocket-key");',
    replace: "",
    tests: UNIT,
  },
  {
    name: "HTTP/2: a WebSocket is open when its key is answered",
    file: stream,
    find: "if (!acceptsKey(head.headers, key))",
    replace: 'if (key === "")',
    tests: WEBSOCKET,
  },
  {
    name: "HTTP/2: a WebSocket is open after 101 alone",
    file: stream,
    find: "this.#webSocketKey !== null && head.status >= 200",
    replace: 'this.#webSocketKey === "" && head.status >= 200',
    tests: WEBSOCKET,
  },
  {
    name: "HTTP/2: what is broken off does not end",
    file: stream,
    find: "this.#stream.destroy(BROKEN_OFF);",
    replace: "this.#stream.close(2);",
    tests: BODIES,
  },
  {
    name: "HTTP/2: a chunk is copied",
    file: stream,
    find: "stream.write(lent ? chunk : Buffer.from(chunk))",
    replace: "stream.write(chunk)",
    tests: BODIES,
  },
  {
    name: "HTTP/2: a limit on a body as it comes",
    file: stream,
    find: "exchange.bytesIn > exchange.maxBodyBytes",
    replace: "exchange.bytesIn > 1e9",
    tests: BODIES,
  },
  {
    name: "HTTP/2: a slow body is given up",
    file: stream,
    find: "if (exchange.bytesIn - this.#progress >= least)",
    replace: "if (least >= 0)",
    tests: BODIES,
  },
  {
    name: "HTTP/2: a client's reset is no end of a body",
    file: stream,
    find: "if (this.#stream.closed) {\n      this.#clientReset();",
    replace: "if (exchange === null) {\n      this.#clientReset();",
    tests: SMUGGLING,
  },
  {
    name: "HTTP/2: trailers come before the body is read",
    file: stream,
    find: 'this.#stream.on("trailers", onTrailers).on("aborted", onAborted);',
    replace: 'this.#stream.on("aborted", onAborted);',
    tests: SMUGGLING,
  },
  {
    name: "HTTP/2: a slow backend stops its stream",
    file: stream,
    find: "if (this.#reading) this.#stream.pause();",
    replace: "",
    tests: BODIES,
  },
  {
    name: "HTTP/2: a client that takes nothing is given up",
    file: stream,
    find: "this.#waitForClient();\n    if (this.#state === COMPLETE) return;",
    replace: "if (this.#state === COMPLETE) return;",
    tests: ABUSE,
  },
  {
    name: "HTTP/2: the end of an early answer waits for its request",
    file: stream,
    find: "return !this.#asksForTrailers || this.#home.crowded;",
    replace: "return false;",
    tests: BODIES,
  },
  {
    name: "HTTP/2: a budget of resets",
    file: connection,
    find: "if (wasReset && !this.#resets.take(",
    replace: "if (!wasReset && !this.#resets.take(",
    tests: ABUSE,
  },
  {
    name: "HTTP/2: a budget of PING and SETTINGS",
    file: connection,
    find: "if (!this.#controls.take(this.thread.deadlines.now))",
    replace: "if (this.#closing)",
    tests: ABUSE,
  },
  {
    name: "HTTP/2: GOAWAY is not overtaken by a reset",
    file: connection,
    find: 'if (error?.code?.startsWith("ERR_HTTP2") !== true) return',
    replace: "if (error !== null) return",
    tests: ABUSE,
  },
  {
    name: "HTTP/2: a reset stream is not waited for",
    file: events,
    find: "for (const stream of due) destroyOfNode!.call(stream);",
    replace: "",
    tests: ABUSE,
  },
  {
    name: "HTTP/2: a session with streams keeps its tables",
    file: tables,
    find: 'Reflect.get(streams, "size") === 0 &&',
    replace: "",
    tests: UNIT,
  },
  {
    name: "HTTP/2: a session with streams that wait keeps its tables",
    file: tables,
    find: 'Reflect.get(pendingStreams, "size") === 0',
    replace: "true",
    tests: UNIT,
  },
  {
    name: "HTTP/2: the last stream takes the place of the one that leaves",
    file: tables,
    find: "this.#ids[at] = lastId;",
    replace: "",
    tests: UNIT,
  },
  {
    name: "HTTP/2: a limit on streams",
    file: connection,
    find: "maxConcurrentStreams: maxStreams,",
    replace: "",
    tests: ABUSE,
  },
  {
    name: "HTTP/2: an idle connection is closed",
    file: connection,
    find: "else this.wait(WAIT_STREAM, this.thread.active.server.keepAliveTimeoutMs);",
    replace: "",
    tests: ABUSE,
  },
  {
    name: "HTTP/2: a draining connection says GOAWAY",
    file: connection,
    find: "else this.#session.close();",
    replace: "",
    tests: LIFECYCLE,
  },
  {
    name: "HTTP/2: HTTP/2 on plain listeners only where it is asked for",
    file: serve,
    find: "} else if (h2c) awaitPreface",
    replace: "} else if (h2c !== null) awaitPreface",
    tests: EXCHANGES,
  },
  {
    name: "HTTP/2: HTTP/2 by ALPN only where it is on",
    file: serve,
    find: "return http2 ?",
    replace: "return http2 !== null ?",
    tests: TLS,
  },
];
