// Guards of WebSockets of apps.

import type { Mutation } from "./mutation.ts";

const socket = "src/data/apps/websocket/app-websocket.ts";
const peer = "src/data/apps/websocket/peer.ts";
const input = "src/data/apps/websocket/frame-input.ts";
const output = "src/data/apps/websocket/frame-output.ts";
const handshake = "src/data/apps/websocket/handshake.ts";
const fault = "src/data/apps/websocket/fault.ts";
const link = "src/data/apps/vm-link.ts";
const client = "src/vm/websocket/link-client.ts";
const half = "src/vm/websocket/half.ts";
const api = "src/vm/websocket/web-socket.ts";
const WEBSOCKET = ["test/apps/websocket.test.ts"];
const FRAMES = ["test/apps/websocket-frames.test.ts"];
const LIMITS = ["test/apps/websocket-limits.test.ts"];
const LIFE = ["test/apps/websocket-life.test.ts"];
const DEFLATE = ["test/apps/websocket-deflate.test.ts"];
const RULES = ["test/apps/websocket-rules.test.ts"];

export const APP_WEBSOCKET_MUTATIONS: readonly Mutation[] = [
  {
    name: "WebSockets: the key is one",
    file: handshake,
    find: "if (key === null || !KEY.test(key))",
    replace: "if (key === null)",
    tests: FRAMES,
  },
  {
    name: "WebSockets: only version 13",
    file: handshake,
    find: "if (version !== VERSION)",
    replace: 'if (version === "8")',
    tests: FRAMES,
  },
  {
    name: "WebSockets: only for GET",
    file: handshake,
    find: 'if (method !== "GET")',
    replace: 'if (method === "HEAD")',
    tests: FRAMES,
  },
  {
    name: "WebSockets: a 101 only for who asks for it",
    file: handshake,
    find: "if (!asksForWebSocket(request)) return",
    replace: "if (false as boolean) return",
    tests: WEBSOCKET,
  },
  {
    name: "WebSockets: only a subprotocol that was offered",
    file: handshake,
    find: "offersOf(offered)?.has(chosen) !== true",
    replace: "false",
    tests: WEBSOCKET,
  },
  {
    name: "WebSockets: no extension without compression",
    file: handshake,
    find: 'compression ? headers.joinNamed("sec-websocket-extensions") : null',
    replace: 'headers.joinNamed("sec-websocket-extensions")',
    tests: FRAMES,
  },
  {
    name: "WebSockets: messages have a longest length",
    file: peer,
    find: "maxPayload: maxMessageBytes,",
    replace: "maxPayload: 0,",
    tests: FRAMES,
  },
  {
    name: "WebSockets: a message has at most so many parts",
    file: peer,
    find: "maxFragments: MAX_FRAGMENTS,",
    replace: "maxFragments: 0,",
    tests: FRAMES,
  },
  {
    name: "WebSockets: compressed messages have a longest length",
    file: handshake,
    find: "    isServer: true,\n    maxPayload,",
    replace: "    isServer: true,\n    maxPayload: 0,",
    tests: DEFLATE,
  },
  {
    name: "WebSockets: pongs do not pile up",
    file: peer,
    find: "if (this.flows) this.#sender.pong(data, false);",
    replace: "if (this.flows || data.length > 0) this.#sender.pong(data, false);",
    tests: LIMITS,
  },
  {
    name: "WebSockets: the last ping is answered when the client reads again",
    file: peer,
    find: "if (data !== null) this.#onPing(data);",
    replace: "",
    tests: LIMITS,
  },
  {
    name: "WebSockets: compressed input is read no further than it is taken",
    file: input,
    find: "this.#receiver.write(chunk.subarray(0, DEFLATED_PIECE_BYTES), this.#pieceRead);",
    replace: "this.#receiver.write(chunk.subarray(0, DEFLATED_PIECE_BYTES)); this.#reading = false;",
    tests: DEFLATE,
  },
  {
    name: "WebSockets: what waits to be written is a copy",
    file: output,
    find: "Buffer.concat([this.#start, piece])",
    replace: "piece",
    tests: WEBSOCKET,
  },
  {
    name: "WebSockets: a message of too many parts is too long",
    file: fault,
    find: 'if (code === "WS_ERR_TOO_MANY_BUFFERED_PARTS")',
    replace: "if (false as boolean)",
    tests: FRAMES,
  },
  {
    name: "WebSockets: what cannot be inflated is 1007",
    file: fault,
    find: 'code.startsWith("Z_")',
    replace: "false",
    tests: DEFLATE,
  },
  {
    name: "WebSockets: a client is not read past what the VM takes",
    file: socket,
    find: "    this.#peer.pause();\n",
    replace: "",
    tests: LIMITS,
  },
  {
    name: "WebSockets: a client is read on when the VM takes again",
    file: socket,
    find: "      this.#peer.resume();\n    }\n  }\n\n  /** The last word",
    replace: "    }\n  }\n\n  /** The last word",
    tests: LIMITS,
  },
  {
    name: "WebSockets: a VM gets no more than it has granted",
    file: socket,
    find: "while (this.#credit > 0) {",
    replace: "for (;;) {",
    tests: LIMITS,
  },
  {
    name: "WebSockets: the close goes behind the messages",
    file: socket,
    find: "if (this.#queue.length === 0 && this.#last !== null) {",
    replace: "if (this.#last !== null) {",
    tests: LIMITS,
  },
  {
    name: "WebSockets: a VM is granted no more than the client takes",
    file: socket,
    find: "!this.#peer.flows ||",
    replace: "",
    tests: LIMITS,
  },
  {
    name: "WebSockets: a VM sends no more than it was granted",
    file: socket,
    find: "if (this.#came > MOST_MESSAGE_BYTES)",
    replace: "if (false as boolean)",
    tests: RULES,
  },
  {
    name: "WebSockets: a VM grants no more than it took",
    file: socket,
    find: "if (this.#credit > MESSAGE_WINDOW_BYTES)",
    replace: "if (false as boolean)",
    tests: RULES,
  },
  {
    name: "WebSockets: a close frame of a VM has a code that may be sent",
    file: socket,
    find: "if (!maySend(code)) return",
    replace: "if (false as boolean) return",
    tests: RULES,
  },
  {
    name: "WebSockets: a client without a sign of life is cut",
    file: socket,
    find: "else if (!this.#pinged) {",
    replace: "else if (true as boolean) {",
    tests: LIMITS,
  },
  {
    name: "WebSockets: a client that answers pings stays",
    file: socket,
    find: "  onSignOfLife(): void {\n    this.#pinged = false;",
    replace: "  onSignOfLife(): void {",
    tests: LIMITS,
  },
  {
    name: "WebSockets: closed where the app takes nothing",
    file: socket,
    find: "    if (this.#tookSome) {",
    replace: "    if (true as boolean) {",
    tests: LIMITS,
  },
  {
    name: "WebSockets: counted as closed for a limit",
    file: socket,
    find: "if (limit) this.#setting.thread.metrics.add(Counter.webSocketsOverLimit);",
    replace: "",
    tests: LIMITS,
  },
  {
    name: "WebSockets: closed by the end of their VM",
    file: socket,
    find: 'this.#close(INTERNAL_ERROR, "the app ended");',
    replace: "",
    tests: LIFE,
  },
  {
    name: "WebSockets: closed where the gateway stops",
    file: "src/data/thread.ts",
    find: "for (const webSocket of context.webSockets) webSocket.goAway();",
    replace: "",
    tests: LIFE,
  },
  {
    name: "WebSockets: hold no place at their VM",
    file: link,
    find: "    this.#placeless.add(stream);\n    this.#setting.state.release(this.address.slot, this.#setting.thread.index);",
    replace: "",
    tests: LIFE,
  },
  {
    name: "WebSockets: a place is given back once",
    file: link,
    find: "    this.#placeless.add(stream);\n",
    replace: "",
    tests: LIFE,
  },
  {
    name: "WebSockets: a VM keeps no more than its limit for a client",
    file: client,
    find: "if (this.bufferedBytes - underWay > this.#maxBufferedBytes + MOST_MESSAGE_BYTES) {",
    replace: "if (false as boolean) {",
    tests: LIMITS,
  },
  {
    name: "WebSockets: one long message to a client is not over the limit",
    file: client,
    find: "this.bufferedBytes - underWay >",
    replace: "this.bufferedBytes >",
    tests: DEFLATE,
  },
  {
    name: "WebSockets: a client that asks for more than it takes is slowed down",
    file: client,
    find: "    if (this.bufferedBytes > this.#maxBufferedBytes / 2) return;\n",
    replace: "",
    tests: LIMITS,
  },
  {
    name: "WebSockets: a client is slowed down until the app accepts",
    file: client,
    find: "!this.#half.isAccepted ||",
    replace: "",
    tests: LIMITS,
  },
  {
    name: "WebSockets: the app's close goes behind its messages",
    file: client,
    find: "if (this.#closing === null || this.#queue.length > 0) return;",
    replace: "if (this.#closing === null) return;",
    tests: LIMITS,
  },
  {
    name: "WebSockets: a message after close() is a mistake",
    file: half,
    find: 'if (this.#closed) throw new TypeError("Cannot send on a WebSocket after close()");',
    replace: "",
    tests: WEBSOCKET,
  },
  {
    name: "WebSockets: messages wait for accept()",
    file: half,
    find: "if (this.#state === ACCEPTED && this.#held.length === 0) this.#dispatch(item);",
    replace: "if (this.#held.length === 0) this.#dispatch(item);",
    tests: WEBSOCKET,
  },
  {
    name: "WebSockets: one half in one response",
    file: api,
    find: "if (half.isFresh) return half;",
    replace: "if (!half.isAccepted) return half;",
    tests: WEBSOCKET,
  },
  {
    name: "WebSockets: a handler hears of a client that was gone before its response",
    file: "src/vm/served.ts",
    find: "if (response instanceof Response) loseWebSocket(response);",
    replace: "",
    tests: WEBSOCKET,
  },
  {
    name: "WebSockets: a listener that throws ends no VM",
    file: api,
    find: "    } catch (error) {\n      report(error);\n    }",
    replace: "    } finally {\n    }",
    tests: WEBSOCKET,
  },
  {
    name: "WebSockets: a listener whose promise is rejected ends no VM",
    file: api,
    find: "(result as PromiseLike<unknown>).then(undefined, report);",
    replace: "return;",
    tests: WEBSOCKET,
  },
];
