// Guards of the policies that say who may come in, and of the exchanges that the gateway makes itself.

import type { Mutation } from "./mutation.ts";

const inner = "src/data/inner-client.ts";
const INNER = ["src/data/inner-client.test.ts"];
const ipFilter = "src/data/policies/ip-filter.ts";
const IP_FILTER = ["test/policies/ip-filter.test.ts"];
const cors = "src/data/policies/cors.ts";
const CORS = ["test/policies/cors.test.ts"];
const PROBLEMS = ["test/config/problems.test.ts"];

export const ACCESS_MUTATIONS: readonly Mutation[] = [
  {
    name: "an inner exchange that failed has no answer",
    file: inner,
    find: "if (exchange.error !== null) {",
    replace: "if (exchange.status === 0) {",
    tests: INNER,
  },
  {
    name: "an inner exchange has a time",
    file: inner,
    find: "this.#thread.deadlines.set(this, timeoutMs);",
    replace: "",
    tests: INNER,
  },
  {
    name: "an inner exchange that is given up lets go of its backend",
    file: inner,
    find: "action?.onAborted(error);",
    replace: "",
    tests: INNER,
  },
  {
    name: "who gave an inner exchange up hears no more of it",
    file: inner,
    find: "sendBody(chunk: Buffer): boolean {\n    const { exchange } = this;\n    if (exchange.finished) return true;",
    replace: "sendBody(chunk: Buffer): boolean {\n    const { exchange } = this;",
    tests: INNER,
  },
  {
    name: "an inner exchange slows its backend down",
    file: inner,
    find: "return this.#user.onBody(chunk) || exchange.finished;",
    replace: "this.#user.onBody(chunk);\n    return true;",
    tests: INNER,
  },
  {
    name: "ip_filter: what is denied is denied where it is allowed",
    file: ipFilter,
    find: "if (isAllowed && !matchesAny(deny, clientAddress)) return Step.goOn;",
    replace: "if (isAllowed) return Step.goOn;",
    tests: IP_FILTER,
  },
  {
    name: "ip_filter: what is not allowed is denied",
    file: ipFilter,
    find: "allow === null || matchesAny(allow, clientAddress)",
    replace: "allow === null || allow.length > 0",
    tests: IP_FILTER,
  },
  {
    name: "ip_filter: it is about the client, not the peer",
    file: ipFilter,
    find: "const { clientAddress } = exchange;",
    replace: "const { peerAddress: clientAddress } = exchange;",
    tests: IP_FILTER,
  },
  {
    name: "cors: a name below has nothing in it that hides the host",
    file: cors,
    find: "if (isName(origin, start.length, origin.length - end.length)) return true;",
    replace: "return true;",
    tests: CORS,
  },
  {
    name: "cors: an origin is of the scheme that is allowed",
    file: cors,
    find: " || !origin.startsWith(start)",
    replace: "",
    tests: CORS,
  },
  {
    name: "cors: two origins are none",
    file: cors,
    find: 'headers.findOnly("origin")',
    replace: 'headers.find("origin")',
    tests: CORS,
  },
  {
    name: "cors: what the backend says is left out",
    file: cors,
    find: "headers.removeNamed(OWN_FIELDS[i]!);",
    replace: "OWN_FIELDS[i];",
    tests: CORS,
  },
  {
    name: "cors: responses to different origins are told apart",
    file: cors,
    find: 'if (origins !== null) addVary(headers, "Origin");',
    replace: "",
    tests: CORS,
  },
  {
    name: "cors: a preflight request goes no further",
    file: cors,
    find: "answerPreflight(spec, exchange, allowed, asked);\n        return Step.answered;",
    replace: "answerPreflight(spec, exchange, allowed, asked);\n        return Step.goOn;",
    tests: CORS,
  },
  {
    name: "cors: no credentials for everybody",
    file: "src/config/policies/cors.ts",
    find: "credentials?.value === true && isAny",
    replace: "credentials?.value === undefined && isAny",
    tests: PROBLEMS,
  },
];
