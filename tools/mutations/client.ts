// Guards of who the client is: proxies in front of the gateway, the PROXY protocol, the limit for each client.

import type { Mutation } from "./mutation.ts";

const chain = "src/data/forwarding-chain.ts";
const forwarded = "src/data/forwarded.ts";
const proxyProtocol = "src/data/proxy-protocol.ts";

const CHAIN = ["src/data/forwarding-chain.test.ts"];
const FORWARDED = ["src/data/forwarded.test.ts"];
const PROXY_PROTOCOL = ["src/data/proxy-protocol.test.ts"];

export const CLIENT_MUTATIONS: readonly Mutation[] = [
  {
    name: "the client is the last one that is not trusted",
    file: chain,
    find: "if (!matchesAny(trusted, address)) break;",
    replace: "",
    tests: CHAIN,
  },
  {
    name: "nobody vouches for what is behind no address",
    file: chain,
    find: "if (address === null) break;",
    replace: "if (address === null) continue;",
    tests: CHAIN,
  },
  {
    name: "a comma in quotes is part of an element",
    file: chain,
    find: "if (code === COMMA && !quoted) return i;",
    replace: "if (code === COMMA) return i;",
    tests: CHAIN,
  },
  {
    name: "an element of Forwarded has one for",
    file: chain,
    find: "if (node !== null) return null;",
    replace: "",
    tests: CHAIN,
  },
  {
    name: "only trusted proxies are believed",
    file: forwarded,
    find: " || !matchesAny(server.trustedProxies, exchange.peerAddress)) return;",
    replace: ") return;",
    tests: FORWARDED,
  },
  {
    name: "the real-IP field is believed first where that is asked for",
    file: forwarded,
    find: "realIpHeaderFirst ? realIpOf(headers, realIpHeader) : null",
    replace: "realIpOf(headers, realIpHeader)",
    tests: FORWARDED,
  },
  {
    name: "of two real-IP fields none is believed",
    file: forwarded,
    find: "headers.findOnly(realIpHeader)",
    replace: "headers.find(realIpHeader)",
    tests: FORWARDED,
  },
  {
    name: "the client's own real-IP field goes no further",
    file: forwarded,
    find: "headers.removeVariable(realIpHeader);",
    replace: "",
    tests: FORWARDED,
  },
  {
    name: "a PROXY header begins as one",
    file: proxyProtocol,
    find: "if (byte !== expected.charCodeAt(at))",
    replace: "if (byte < 0)",
    tests: PROXY_PROTOCOL,
  },
  {
    name: "a line of PROXY version 1 has an end",
    file: proxyProtocol,
    find: "if (at + 2 > V1_MAX_BYTES)",
    replace: "if (at > 1e9)",
    tests: PROXY_PROTOCOL,
  },
  {
    name: "a line of PROXY version 1 has six parts",
    file: proxyProtocol,
    find: " || parts.length !== 6) {",
    replace: ") {",
    tests: PROXY_PROTOCOL,
  },
  {
    name: "addresses of PROXY version 1 are of their family",
    file: proxyProtocol,
    find: 'if (family !== (isV6(address) ? "TCP6" : "TCP4")) return null;',
    replace: "",
    tests: PROXY_PROTOCOL,
  },
  {
    name: "ports of PROXY version 1 are decimal",
    file: proxyProtocol,
    find: " && String(port) === text ? port : -1;",
    replace: " ? port : -1;",
    tests: PROXY_PROTOCOL,
  },
  {
    name: "PROXY version 2 and its commands",
    file: proxyProtocol,
    find: "if (at === 12 && byte !== LOCAL && byte !== PROXY) {",
    replace: "if (at === 12 && byte < 0) {",
    tests: PROXY_PROTOCOL,
  },
  {
    name: "families of PROXY version 2",
    file: proxyProtocol,
    find: "} else if (at === 13 && !isLocal && V2_LENGTHS[byte] === undefined) {",
    replace: "} else if (at === 13 && byte < 0) {",
    tests: PROXY_PROTOCOL,
  },
  {
    name: "a PROXY header of version 2 has room for its addresses",
    file: proxyProtocol,
    find: "if (length < least || ",
    replace: "if (",
    tests: PROXY_PROTOCOL,
  },
  {
    name: "a PROXY header of version 2 has an end",
    file: proxyProtocol,
    find: " || length > V2_MAX_LENGTH) {",
    replace: ") {",
    tests: PROXY_PROTOCOL,
  },
  {
    name: "a connection without a PROXY header is closed",
    file: "src/data/incoming.ts",
    find: "this.#refuseProxyHeader(header.fault);\n      return;",
    replace: "this.#proxyHeader = null;\n      this.#goOn(null);\n      return;",
    tests: ["test/client/proxy-protocol.test.ts"],
  },
  {
    name: "a PROXY header has a time",
    file: "src/data/incoming.ts",
    find: "thread.deadlines.set(this, thread.active.server.readTimeoutMs);",
    replace: "",
    tests: ["test/client/proxy-protocol.test.ts"],
  },
  {
    name: "the limit is not for trusted proxies",
    file: "src/data/refusal.ts",
    find: 'if (matchesAny(active.server.trustedProxies, client)) return "uncounted";',
    replace: "",
    tests: ["test/client/limit.test.ts"],
  },
  {
    name: "a client behind a PROXY protocol header is counted",
    file: "src/data/incoming.ts",
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
];
