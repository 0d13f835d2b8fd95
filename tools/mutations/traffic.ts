// Guards of the policies that bound and shape traffic.

import type { Mutation } from "./mutation.ts";

const BODY_LIMIT = ["test/policies/body-limit.test.ts"];

const TABLE = ["src/core/shared/rate-table.test.ts"];
const RATE_LIMIT = ["test/policies/rate-limit.test.ts"];

const ERROR_PAGES = ["test/policies/error-pages.test.ts", "src/data/policies/error-pages.test.ts"];

const COMPRESS = ["src/data/policies/compress.test.ts"];

const compress = "src/data/policies/compress.ts";
const errorPages = "src/data/policies/error-pages.ts";
const table = "src/core/shared/rate-table.ts";
const rateLimit = "src/data/policies/rate-limit.ts";

export const TRAFFIC_MUTATIONS: readonly Mutation[] = [
  {
    name: "a body that is declared too long is refused",
    file: "src/data/pipeline.ts",
    find: "if (maxBodyBytes !== null && request.bodyLength > maxBodyBytes) {",
    replace: "if (maxBodyBytes !== null && request.bodyLength > maxBodyBytes + 1e9) {",
    tests: BODY_LIMIT,
  },
  {
    name: "a body that turns out to be too long is refused",
    file: "src/data/http1/server.ts",
    find: "if (exchange.maxBodyBytes !== null && exchange.bytesIn > exchange.maxBodyBytes) {",
    replace: "if (exchange.maxBodyBytes === -1) {",
    tests: BODY_LIMIT,
  },
  {
    name: "body_limit of a route counts before that of the file",
    file: "src/config/policies/body-limit.ts",
    find: "if (route.policy?.enabled === true) return route.policy.size!;",
    replace: "",
    tests: ["src/config/policies/body-limit.test.ts"],
  },
  {
    name: "a rate holds where threads race",
    file: table,
    find: "lock(cells, this.#lock);",
    replace: "",
    tests: TABLE,
  },
  {
    name: "the lock of a rate is given back",
    file: table,
    find: "unlock(this.#cells, this.#lock);",
    replace: "",
    tests: TABLE,
  },
  {
    name: "a burst, to the request",
    file: table,
    find: "return this.#used + this.#interval <= this.#limit;",
    replace: "return this.#used <= this.#limit;",
    tests: TABLE,
  },
  {
    name: "a pause brings no more than a burst",
    file: table,
    find: "this.#used = Math.max(this.#times[place]! - this.#now, 0);",
    replace: "this.#used = this.#times[place]! - this.#now;",
    tests: TABLE,
  },
  {
    name: "a key is the whole hash",
    file: table,
    find: "cells[HASHES + 2 * place] === first && cells[HASHES + 2 * place + 1] === second",
    replace: "cells[HASHES + 2 * place] !== 0",
    tests: TABLE,
  },
  {
    name: "the key with the shortest past is forgotten",
    file: table,
    find: "if (this.#times[place]! < this.#times[earliest]!) earliest = place;",
    replace: "if (this.#times[place]! > this.#times[earliest]!) earliest = place;",
    tests: TABLE,
  },
  {
    name: "a burst is counted in whole ticks",
    file: table,
    find: "Math.min(Math.ceil(intervalMicroseconds), MOST_TICKS)",
    replace: "Math.min(intervalMicroseconds, MOST_TICKS)",
    tests: TABLE,
  },
  {
    name: "the seed is part of the hash",
    file: "src/core/keyed-hash.ts",
    find: "let v1 = this.#k1 ^ 0xee;",
    replace: "let v1 = 0xee;",
    tests: ["src/core/keyed-hash.test.ts"],
  },
  {
    name: "the counts of a limit go on over a reload",
    file: "src/control/rate-limits.ts",
    find: "this.#tables.get(rule.id) ?? ",
    replace: "",
    tests: ["src/control/rate-limits.test.ts"],
  },
  {
    name: "the counts are those of the limit as it is",
    file: "src/config/policies/rate-limit.ts",
    find: "JSON.stringify([owner, index, counted, ipv6Bits])",
    replace: "JSON.stringify([owner, index])",
    tests: ["src/control/rate-limits.test.ts"],
  },
  {
    name: "a limit that refuses charges no other one",
    file: rateLimit,
    find: "if (passes && !tables[i]!.charge()) forgot++;",
    replace: "if (tables[i]!.passes && !tables[i]!.charge()) forgot++;",
    tests: RATE_LIMIT,
  },
  {
    name: "every limit may refuse",
    file: rateLimit,
    find: "if (!tables[i]!.passes) passes = false;",
    replace: "passes = tables[i]!.passes;",
    tests: RATE_LIMIT,
  },
  {
    name: "a refused request goes no further",
    file: rateLimit,
    find: "return Step.answered;",
    replace: "return Step.goOn;",
    tests: RATE_LIMIT,
  },
  {
    name: "a network of IPv6 is one client",
    file: rateLimit,
    find: "if (!isV4) for (let i = 0; i < ADDRESS_CELLS; i++) cells[i]! &= this.#ipv6Mask[i]!;",
    replace: "",
    tests: RATE_LIMIT,
  },
  {
    name: "errors of backends keep their bodies",
    file: errorPages,
    find: "if (error === null && !this.#spec.intercept) return null;",
    replace: "",
    tests: ERROR_PAGES,
  },
  {
    name: "a body that nobody gets is not read for ever",
    file: errorPages,
    find: "this.#discarded <= MOST_DISCARDED_BYTES && this",
    replace: "this",
    tests: ERROR_PAGES,
  },
  {
    name: "a backend that wants more of the request is given up",
    file: errorPages,
    find: "&& this.#exchange.request.bodyLength === 0) return;",
    replace: ") return;",
    tests: ERROR_PAGES,
  },
  {
    name: "nothing of a body follows its page",
    file: errorPages,
    find: "if (!this.#replaced) return this.next.sendBody(chunk, lent);",
    replace: "this.next.sendBody(chunk, lent);",
    tests: ERROR_PAGES,
  },
  {
    name: "no end follows a page",
    file: errorPages,
    find: "if (!this.#replaced) this.next.sendEnd(trailers);",
    replace: "this.next.sendEnd(trailers);",
    tests: ERROR_PAGES,
  },
  {
    name: "what a client says does not become markup",
    file: errorPages,
    find: 'if (mediaType === "text/html" ||',
    replace: 'if (mediaType === "text/none" ||',
    tests: ERROR_PAGES,
  },
  {
    name: "a page is not said to be compressed",
    file: errorPages,
    find: '  "content-encoding",\n',
    replace: "",
    tests: ERROR_PAGES,
  },
  {
    name: "programs that ask for JSON get no page",
    file: "src/data/policies/accept.ts",
    find: "return namesPage || (takesAll && !namesJson);",
    replace: "return namesPage || takesAll;",
    tests: ["src/data/policies/accept.test.ts"],
  },
  {
    name: "an event stream is not compressed",
    file: compress,
    find: "type !== EVENT_STREAM &&",
    replace: "",
    tests: COMPRESS,
  },
  {
    name: "what is compressed already is left alone",
    file: compress,
    find: 'headers.find("content-encoding") !== null || ',
    replace: "",
    tests: COMPRESS,
  },
  {
    name: "no-transform is heard",
    file: compress,
    find: 'if (hasToken(headers.valueAt(i), "no-transform")) return false;',
    replace: "",
    tests: COMPRESS,
  },
  {
    name: "a part is not compressed",
    file: compress,
    find: " || NEVER.includes(status)",
    replace: "",
    tests: COMPRESS,
  },
  {
    name: "caches hear of what a client did not take",
    file: compress,
    find: 'addVary(head.headers, "Accept-Encoding");\n    const',
    replace: "const",
    tests: COMPRESS,
  },
  {
    name: "a compressed body has no strong tag",
    file: compress,
    find: "if (tag?.startsWith('\"')) weaken(headers, tag);",
    replace: "",
    tests: COMPRESS,
  },
  {
    name: "a piece outlives its call",
    file: compress,
    find: "Buffer.from(chunk), this",
    replace: "chunk, this",
    tests: COMPRESS,
  },
  {
    name: "a stream that pauses goes out",
    file: compress,
    find: "this.#stream?.flush(this.#flushKind);",
    replace: ";",
    tests: COMPRESS,
  },
  {
    name: "a slow client slows the source down",
    file: compress,
    find: "if (!this.next.sendBody(chunk, true)) stream.pause();",
    replace: "this.next.sendBody(chunk, true);",
    tests: COMPRESS,
  },
  {
    name: "a slow client goes on",
    file: compress,
    find: "this.#stream?.resume();",
    replace: "",
    tests: COMPRESS,
  },
  {
    name: "the source goes on after a slow client",
    file: compress,
    find: 'stream.on("drain", () => this.#exchange.action?.onClientDrain());',
    replace: "",
    tests: COMPRESS,
  },
  {
    name: "a compressor ends with its exchange",
    file: compress,
    find: "this.#stream?.destroy();",
    replace: "",
    tests: COMPRESS,
  },
  {
    name: "what cannot be compressed is cut",
    file: compress,
    find: 'failExchange(this.#exchange, new GatewayError("internal", "cannot compress a response", error));',
    replace: "void error;",
    tests: COMPRESS,
  },
];
