// Guards of what apps ask of upstreams, of `ctx`, and of their lines in the log.

import type { Mutation } from "./mutation.ts";

const asked = "src/data/apps/asked.ts";
const head = "src/data/apps/asked-head.ts";
const asker = "src/data/apps/asker.ts";
const link = "src/data/apps/vm-link.ts";
const ending = "src/data/apps/ending-stream.ts";
const run = "src/data/actions/app.ts";
const ask = "src/vm/asked.ts";
const output = "src/control/apps/vm-output.ts";
const pool = "src/control/apps/app-pool.ts";
const ASKS = ["test/apps/upstream-fetch.test.ts"];
const FLOW = ["test/apps/upstream-fetch-flow.test.ts"];
const RULES = ["test/apps/upstream-fetch-rules.test.ts"];
const CTX = ["test/apps/ctx.test.ts"];
const CONSOLE = ["test/apps/console.test.ts"];

export const APP_ASK_MUTATIONS: readonly Mutation[] = [
  {
    name: "asks: a bug ends what was asked, and not all at the VM",
    file: link,
    find: "if (user.onBug !== undefined) user.onBug(error);",
    replace: "if (user.exchange === null) throw bug;",
    tests: ["src/data/apps/app-run.test.ts"],
  },
  {
    name: "asks: no more bytes than the head says",
    file: asked,
    find: "if (bodyLength !== UNKNOWN_LENGTH && this.#received > bodyLength)",
    replace: "if (bodyLength < -1)",
    tests: RULES,
  },
  {
    name: "asks: no fewer bytes than the head says",
    file: asked,
    find: "if (bodyLength !== UNKNOWN_LENGTH && this.#received !== bodyLength)",
    replace: "if (bodyLength < -1)",
    tests: RULES,
  },
  {
    name: "asks: the body within its credit",
    file: asked,
    find: 'if (this.#received > this.#granted) return "more of a request body than there was credit for";',
    replace: "",
    tests: RULES,
  },
  {
    name: "asks: no body behind its end",
    file: asked,
    find: 'if (this.#bodyEnded) return "a body behind its end";',
    replace: "",
    tests: RULES,
  },
  {
    name: "asks: an upload waits for the backend",
    file: asked,
    find: "if (inner.bodyWanted && this.#pieces.length === 0) {",
    replace: "this.#grant(piece.length);\n    if (inner.bodyWanted && this.#pieces.length === 0) {",
    tests: FLOW,
  },
  {
    name: "asks: a response waits for the VM",
    file: asked,
    find: "if (this.#unread < RESPONSE_WINDOW_BYTES) return true;",
    replace: "if (this.#unread >= 0) return true;",
    tests: FLOW,
  },
  {
    name: "asks: a response that nobody reads is cut",
    file: asked,
    find: "thread.deadlines.set(this, thread.active.server.writeTimeoutMs);",
    replace: "",
    tests: FLOW,
  },
  {
    name: "asks: the app is no other client by the real-IP field",
    file: asked,
    find: "asked.headers.removeVariable(thread.active.server.realIpHeader);",
    replace: "",
    tests: ASKS,
  },
  {
    name: "asks: the backend is left when the VM ends",
    file: asked,
    find: 'this.#inner?.abort(new GatewayError("client_gone", why));',
    replace: "",
    tests: FLOW,
  },
  {
    name: "asks: the backend is left when the app aborts",
    file: asked,
    find: 'inner.abort(new GatewayError("client_gone", "the app does not want the response"));',
    replace: "",
    tests: FLOW,
  },
  {
    name: "asks: the app is no other client by the forwarding fields",
    file: head,
    find: "removeClaims(request.headers);",
    replace: "",
    tests: ASKS,
  },
  {
    name: "asks: nothing behind the head",
    file: head,
    find: 'if (found !== end) return "a head that does not end where its frame says";',
    replace: "",
    tests: RULES,
  },
  {
    name: "asks: nobody is no client",
    file: asker,
    find: 'forwarded: "Via: 1.1 sluice\\r\\n",',
    replace: "forwarded: null,",
    tests: CTX,
  },
  {
    name: "asks: so many streams at a time",
    file: link,
    find: "if (this.#openedByVm >= streams.most)",
    replace: "if (this.#openedByVm < 0)",
    tests: RULES,
  },
  {
    name: "asks: held is what was an exchange",
    file: link,
    find: "if (stream % 2 === 0 || stream > this.lastStream)",
    replace: "if (stream < 0)",
    tests: RULES,
  },
  {
    name: "asks: for the client of an exchange that is held",
    file: link,
    find: "this.#held.set(stream, askerOf(exchange));",
    replace: "",
    tests: CTX,
  },
  {
    name: "asks: a VM with exchanges that are held keeps its link",
    file: link,
    find: "if (!this.open && this.#users.size === 0 && this.#held.size === 0)",
    replace: "if (!this.open && this.#users.size === 0)",
    tests: CTX,
  },
  {
    name: "asks: for the client who went, as long as the handler runs",
    file: ending,
    find: "this.exchange = exchange;",
    replace: "this.exchange = null;",
    tests: FLOW,
  },
  {
    name: "asks: a handler answers with no code but an upstream's",
    file: run,
    find: 'ERRORS[text as ErrorCode].source === "upstream"',
    replace: "true",
    tests: RULES,
  },
  {
    name: "asks: a VM keeps to its number",
    file: "src/vm/turns.ts",
    find: "if (this.#asks >= this.#mostAsks) {",
    replace: "if (this.#asks < 0) {",
    tests: FLOW,
  },
  {
    name: "asks: places of requests that are over are free",
    file: "src/vm/gateway-link.ts",
    find: "if (this.#users.delete(stream)) this.turns.endAsk();",
    replace: "this.#users.delete(stream);",
    tests: FLOW,
  },
  {
    name: "asks: no signal, no request",
    file: ask,
    find: "signal?.throwIfAborted();",
    replace: "",
    tests: FLOW,
  },
  {
    name: "asks: no WebSocket",
    file: "src/vm/asked-head.ts",
    find: "if (UPGRADE.test(headerLines))",
    replace: "if (headerLines === null)",
    tests: ASKS,
  },
  {
    name: "asks: fields of one connection stay",
    file: "src/vm/asked-head.ts",
    find: 'headerLines.replace(NOT_SENT, "")',
    replace: "headerLines",
    tests: ASKS,
  },
  {
    name: "asks: no length of another body",
    file: "src/vm/http/known-length.ts",
    find: 'const lines = headerLines.replace(CONTENT_LENGTH, "");',
    replace: "if (CONTENT_LENGTH.test(headerLines)) return headerLines;\n  const lines = headerLines;",
    tests: ASKS,
  },
  {
    name: "waitUntil: so many at a time",
    file: "src/vm/waits.ts",
    find: "if (this.#pending.size >= MAX_WAITS)",
    replace: "if (this.#pending.size > MAX_WAITS)",
    tests: CTX,
  },
  {
    name: "waitUntil: a VM waits",
    file: "src/vm/waits.ts",
    find: "this.#work.pendingBegun();",
    replace: "",
    tests: ["src/vm/waits.test.ts"],
  },
  {
    name: "waitUntil: not for ever",
    file: "src/vm/waits.ts",
    find: "if (wait.until > now) return;",
    replace: "if (wait.until >= 0) return;",
    tests: ["src/vm/waits.test.ts"],
  },
  {
    name: "log: an app keeps within a rate",
    file: "src/vm/log.ts",
    find: "if (limit.isOpen(clockMs())) return true;",
    replace: "if (limit.isOpen(clockMs()) || limit.leftOut < 1) return true;",
    tests: CONSOLE,
  },
  {
    name: "log: what is printed keeps within a rate",
    file: output,
    find: "if (limit.isOpen(now)) return true;",
    replace: "if (limit.isOpen(now) || limit.leftOut < 1) return true;",
    tests: CONSOLE,
  },
  {
    name: "log: a long line is cut",
    file: "src/vm/log.ts",
    find: "message.length <= MAX_LINE ? message : cut(message)",
    replace: "message.length > 0 ? message : cut(message)",
    tests: CONSOLE,
  },
  {
    name: "log: a long line that is printed is cut",
    file: output,
    find: "piece.subarray(0, MAX_LINE - this.#kept)",
    replace: "piece",
    tests: CONSOLE,
  },
  {
    name: "log: a terminal is told nothing by an app",
    file: "src/control/log.ts",
    find: 'visible(String(msg)).split("\\n")',
    replace: "[String(msg)]",
    tests: ["src/control/log.test.ts"],
  },
  {
    name: "log: code knows its request",
    file: "src/vm/served.ts",
    find: "if (requests !== null) requests.enterWith(this);",
    replace: "",
    tests: CONSOLE,
  },
  {
    name: "log: a line has the id of its request",
    file: pool,
    find: 'if (request !== "") fields["request"] = request;',
    replace: "",
    tests: CONSOLE,
  },
];
