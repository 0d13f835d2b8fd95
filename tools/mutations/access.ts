// Guards of the policies that say who may come in, and of the exchanges that the gateway makes itself.

import type { Mutation } from "./mutation.ts";

const inner = "src/data/inner-client.ts";
const INNER = ["src/data/inner-client.test.ts"];
const ipFilter = "src/data/policies/ip-filter.ts";
const IP_FILTER = ["test/policies/ip-filter.test.ts"];
const cors = "src/data/policies/cors.ts";
const CORS = ["test/policies/cors.test.ts"];
const basicAuth = "src/data/policies/basic-auth.ts";
const passwords = "src/data/policies/passwords.ts";
const BASIC_AUTH = ["test/policies/basic-auth.test.ts"];
const HASH_PASSWORD = ["src/cli/hash-password.test.ts"];
const jwt = "src/data/policies/jwt.ts";
const jwtKeys = "src/data/policies/jwt-keys.ts";
const JWT = ["test/policies/jwt.test.ts"];
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
  {
    name: "basic_auth: the password of one user is not that of nobody",
    file: basicAuth,
    find: "if (isRight && isKnown) {",
    replace: "if (isRight) {",
    tests: BASIC_AUTH,
  },
  {
    name: "basic_auth: nobody is remembered",
    file: basicAuth,
    find: "if (hash !== undefined && this.#passwords.isRemembered(key)) {",
    replace: "if (this.#passwords.isRemembered(key)) {",
    tests: BASIC_AUTH,
  },
  {
    name: "basic_auth: a wrong password is refused",
    file: basicAuth,
    find: "if (isRight && isKnown) {",
    replace: "if (isKnown) {",
    tests: BASIC_AUTH,
  },
  {
    name: "basic_auth: two fields are none",
    file: basicAuth,
    find: 'findOnly("authorization")',
    replace: 'find("authorization")',
    tests: BASIC_AUTH,
  },
  {
    name: "basic_auth: credentials have no control characters",
    file: basicAuth,
    find: " || CONTROL.test(text)",
    replace: "",
    tests: BASIC_AUTH,
  },
  {
    name: "basic_auth: a backend does not see the password",
    file: basicAuth,
    find: 'if (!this.#forward) exchange.request.headers.removeNamed("authorization");',
    replace: "",
    tests: BASIC_AUTH,
  },
  {
    name: "basic_auth: only right passwords are remembered",
    file: passwords,
    find: "if (isRight === true) this.#remember(comparison.key);",
    replace: "this.#remember(comparison.key);",
    tests: BASIC_AUTH,
  },
  {
    name: "basic_auth: a password is remembered for its hash",
    file: passwords,
    find: ".update(`$" + "{hash}",
    replace: ".update(`",
    tests: BASIC_AUTH,
  },
  {
    name: "basic_auth: a limited number of passwords wait",
    file: passwords,
    find: "if (this.#line.size >= MAX_WAITING) return false;",
    replace: "",
    tests: BASIC_AUTH,
  },
  {
    name: "basic_auth: the passwords of clients that have gone are not compared",
    file: passwords,
    find: "if (comparison?.users.size === 0) this.#line.delete(key);",
    replace: "",
    tests: BASIC_AUTH,
  },
  {
    name: "a hash of scrypt is of this password",
    file: "src/data/policies/password-worker.ts",
    find: "return timingSafeEqual(found, read.hash);",
    replace: "return found.length === read.hash.length;",
    tests: BASIC_AUTH,
  },
  {
    name: "a hash costs no more than it may",
    file: "src/core/password-hash.ts",
    find: " || scryptBytes(read) > MAX_SCRYPT_BYTES",
    replace: "",
    tests: PROBLEMS,
  },
  {
    name: "hash-password shows nothing of what is typed",
    file: "src/cli/hash-password.ts",
    find: "stdin.setRawMode(true);",
    replace: "",
    tests: HASH_PASSWORD,
  },
  {
    name: "jwt: algorithms are those of the configuration",
    file: jwt,
    find: "algorithms: [...spec.algorithms],",
    replace: "",
    tests: JWT,
  },
  {
    name: "jwt: a public key is no secret",
    file: "src/config/policies/jwt.ts",
    find: "if (!known || OF_SECRET.some((name) => name === node.value) === isSecret) continue;",
    replace: "if (!known || isSecret || node.value !== null) continue;",
    tests: PROBLEMS,
  },
  {
    name: "jwt: a token has an end",
    file: jwt,
    find: 'requiredClaims: ["exp"],',
    replace: "",
    tests: JWT,
  },
  {
    name: "jwt: the issuer counts",
    file: jwt,
    find: "spec.issuers === null ? {} : { issuer: [...spec.issuers] }",
    replace: "spec.issuers === null ? {} : {}",
    tests: JWT,
  },
  {
    name: "jwt: the audience counts",
    file: jwt,
    find: "spec.audiences === null ? {} : { audience: [...spec.audiences] }",
    replace: "spec.audiences === null ? {} : {}",
    tests: JWT,
  },
  {
    name: "jwt: what the client says of claims is taken out",
    file: jwt,
    find: "headers.removeVariable(lowerName);",
    replace: "headers.removeNamed(lowerName);",
    tests: JWT,
  },
  {
    name: "jwt: a claim cannot end its field",
    file: jwt,
    find: "fieldText(claimText(value))",
    replace: "claimText(value)",
    tests: JWT,
  },
  {
    name: "jwt: a token is not remembered past its end",
    file: jwt,
    find: "Math.min(Date.now() + REMEMBERED_MS, payload.exp! * 1000 + this.#spec.clockToleranceMs)",
    replace: "Date.now() + REMEMBERED_MS",
    tests: JWT,
  },
  {
    name: "jwt: two tokens are none",
    file: jwt,
    find: 'headers.findOnly("authorization")',
    replace: 'headers.find("authorization")',
    tests: JWT,
  },
  {
    name: "jwt: claims are asked for",
    file: jwt,
    find: "if (lacking !== undefined) return insufficient(lacking.claim);",
    replace: "",
    tests: JWT,
  },
  {
    name: "jwt: keys are not fetched more often than they may",
    file: jwtKeys,
    find: "if (performance.now() < this.#notBeforeMs) return;",
    replace: "",
    tests: JWT,
  },
  {
    name: "jwt: a set of keys is not longer than it may be",
    file: jwtKeys,
    find: "if (bytes > MAX_BYTES) throw new Error(`expected no more than",
    replace: "if (bytes < 0) throw new Error(`expected no more than",
    tests: JWT,
  },
  {
    name: "jwt: keys are not those of another address",
    file: jwtKeys,
    find: 'redirect: "error",',
    replace: "",
    tests: JWT,
  },
  {
    name: "jwt: keys come over https",
    file: "src/config/policies/jwks.ts",
    find: 'url.protocol === "http:" && !isLoopback(url.hostname)',
    replace: 'url.protocol === "http:" && url.hostname === ""',
    tests: PROBLEMS,
  },
  {
    name: "jwt: no private keys in a set",
    file: "src/config/policies/jwks.ts",
    find: "PRIVATE.some((name) => Object.hasOwn(key, name))",
    replace: "PRIVATE.length === 0",
    tests: ["src/config/policies/jwks.test.ts"],
  },
];
