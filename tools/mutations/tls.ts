// Guards of TLS towards clients: who is let in, what a session opens, which certificate is shown and kept, https only.

import type { Mutation } from "./mutation.ts";

const CERTIFICATES = ["test/tls/certificates.test.ts"];
const CHECK = ["test/tls/check.test.ts"];
const CLIENTS = ["test/tls/clients.test.ts"];
const HTTPS_ONLY = ["test/tls/https-only.test.ts"];
const LISTENER = ["test/tls/listener.test.ts"];
const OCSP = ["src/control/tls/*.test.ts"];
const RELOAD = ["test/tls/reload.test.ts"];

const server = "src/data/tls/server.ts";
const names = "src/data/tls/named-contexts.ts";
const incoming = "src/data/incoming.ts";
const httpsOnly = "src/data/https-only.ts";
const ocsp = "src/control/tls/ocsp-message.ts";

export const TLS_MUTATIONS: readonly Mutation[] = [
  {
    name: "a certificate of a client that is not of client_ca is refused",
    file: server,
    find: 'if (certificateFault !== "") return clientFault(certificateFault);',
    replace: "",
    tests: CLIENTS,
  },
  {
    name: "a session is no way around a client certificate",
    file: server,
    find: ".update(JSON.stringify(client))",
    replace: '.update("")',
    tests: CLIENTS,
  },
  {
    name: "the subject of a client is ASCII",
    file: "src/data/tls/client-certificate.ts",
    find: ".replace(/[^\\x20-\\x7e]+/g, hexPairs)",
    replace: "",
    tests: CLIENTS,
  },
  {
    name: "every data thread has the keys of tickets",
    file: server,
    find: "      ticketKeys,\n      sessionTimeout",
    replace: "      sessionTimeout",
    tests: RELOAD,
  },
  {
    name: "a listener has its own lowest version",
    file: server,
    find: "      minVersion,\n      maxVersion,",
    replace: "      maxVersion,",
    tests: CERTIFICATES,
  },
  {
    name: "a name in full comes before a wildcard",
    file: names,
    find: "this.#byName.get(lower) ?? this.#byName.get(wildcard)",
    replace: "this.#byName.get(wildcard) ?? this.#byName.get(lower)",
    tests: CERTIFICATES,
  },
  {
    name: "a wildcard is for one label",
    file: names,
    find: 'Math.max(0, lower.indexOf("."))',
    replace: 'Math.max(0, lower.lastIndexOf(".", lower.lastIndexOf(".") - 1))',
    tests: CERTIFICATES,
  },
  {
    name: "a handshake has a deadline",
    file: incoming,
    find: "    thread.deadlines.set(this, thread.active.server.readTimeoutMs);\n",
    replace: "",
    tests: LISTENER,
  },
  {
    name: "a key has to fit its certificate",
    file: "src/config/certificates.ts",
    find: "if (leaf.checkPrivateKey(privateKey)) return null;",
    replace: "if (privateKey !== null) return null;",
    tests: CHECK,
  },
  {
    name: "a changed certificate takes nothing else of the configuration with it",
    file: "src/control/gateway.ts",
    find: 'this.#reloadFrom(() => this.#again(), "changed files")',
    replace: 'this.#reloadFrom(this.#source, "changed files")',
    tests: RELOAD,
  },
  {
    name: "an authority finds its challenge over plain HTTP",
    file: httpsOnly,
    find: " || request.path.startsWith(CHALLENGES)",
    replace: "",
    tests: HTTPS_ONLY,
  },
  {
    name: "HSTS is said over TLS only",
    file: httpsOnly,
    find: "this.#hsts !== null && client.tls !== null",
    replace: "this.#hsts !== null",
    tests: HTTPS_ONLY,
  },
  {
    name: "an OCSP response is about the certificate that is shown",
    file: ocsp,
    find: "responses.find(({ certID }) => this.#isSubject(certID))",
    replace: "responses[0]",
    tests: OCSP,
  },
  {
    name: "an OCSP response is of this time",
    file: ocsp,
    find: " || untilMs <= nowMs)",
    replace: ")",
    tests: OCSP,
  },
  {
    name: "of a certificate that was revoked there is no OCSP response",
    file: ocsp,
    find: 'return { fault: "the certificate was revoked" };',
    replace: "return { untilMs: nowMs + 60_000 };",
    tests: OCSP,
  },
];
