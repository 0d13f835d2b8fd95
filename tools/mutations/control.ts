// Guards of the control thread: upstreams over reloads, the health of backends, the admin API.

import type { Mutation } from "./mutation.ts";

const upstreams = "src/control/upstreams.ts";
const health = "src/control/health/backend-health.ts";
const watch = "src/control/health/ejection-watch.ts";
const attempt = "src/control/health/check-attempt.ts";
const guard = "src/control/admin/guard.ts";
const server = "src/control/admin/server.ts";

const UPSTREAMS = ["src/control/upstreams.test.ts"];
const HEALTH = ["src/control/health/health.test.ts"];
const WATCH = ["src/control/health/ejection-watch.test.ts"];
const ATTEMPT = ["src/control/health/check-attempt.test.ts"];
const ACCESS = ["test/admin/access.test.ts"];

export const CONTROL_MUTATIONS: readonly Mutation[] = [
  // ---- upstreams over reloads ----
  {
    name: "a backend that comes at runtime waits for its first check",
    file: upstreams,
    find: "spec.healthCheck !== null && this.#started ? Check.awaited : Check.passed",
    replace: "Check.passed",
    tests: UPSTREAMS,
  },
  {
    name: "the gateway does not wait for checks to start",
    file: upstreams,
    find: "spec.healthCheck !== null && this.#started ?",
    replace: "spec.healthCheck !== null ?",
    tests: UPSTREAMS,
  },
  {
    name: "a backend that comes back has its counts",
    file: upstreams,
    find: "new Map(this.#leaving);",
    replace: "new Map<string, LiveBackend>();",
    tests: UPSTREAMS,
  },
  {
    name: "a backend that is gone is not ejected",
    file: upstreams,
    find: "if (backend.state.readmit()) state.readmit();",
    replace: "",
    tests: UPSTREAMS,
  },
  {
    name: "new memory of an upstream knows who is ejected",
    file: upstreams,
    find: "if (backend.state.ejected) state.tryEject(Number.POSITIVE_INFINITY);",
    replace: "void backend;",
    tests: UPSTREAMS,
  },
  {
    name: "a longer line has places for all",
    file: upstreams,
    find: "before.spec.queueCapacity >= plan.queue.size",
    replace: "before.spec.queueCapacity > 0",
    tests: UPSTREAMS,
  },
  {
    name: "a connection belongs to one way of TLS",
    file: upstreams,
    find: "if (tls === null) return proxied;",
    replace: "if (tls === null || hostName !== null) return proxied;",
    tests: ["test/upstream/tls.test.ts"],
  },
  {
    name: "a thread that ended holds nothing of backends that are gone",
    file: upstreams,
    find: "for (const { state } of this.#leaving.values()) state.forgetThread(index);",
    replace: "",
    tests: UPSTREAMS,
  },
  // ---- health ----
  {
    name: "so many failed checks take a backend out",
    file: health,
    find: "this.#failed >= failures",
    replace: "this.#failed >= 1",
    tests: HEALTH,
  },
  {
    name: "a passed check ends a row of failed ones",
    file: health,
    find: "this.#failed = 0;\n      this.#passed++;",
    replace: "this.#passed++;",
    tests: HEALTH,
  },
  {
    name: "so many passed checks bring a backend back",
    file: health,
    find: "state.check === Check.failed ? successes : 1;",
    replace: "1;",
    tests: HEALTH,
  },
  {
    name: "a new backend needs one passed check",
    file: health,
    find: "state.check === Check.failed ? successes : 1;",
    replace: "successes;",
    tests: HEALTH,
  },
  {
    name: "a backend that comes back starts slowly",
    file: health,
    find: 'if (from === "down") this.#startSlowly(Date.now());',
    replace: "",
    tests: HEALTH,
  },
  {
    name: "a slow start ends",
    file: health,
    find: "if (slowMs < 0 || slowMs >= upstream.spec.slowStartMs) state.endSlowStart();",
    replace: "if (slowMs < 0) state.endSlowStart();",
    tests: HEALTH,
  },
  {
    name: "an ejection that is over leaves no failures behind",
    file: health,
    find: "backend.state.endFailures();",
    replace: "",
    tests: HEALTH,
  },
  {
    name: "a status that is not expected fails a check",
    file: attempt,
    find: "if (!check.statuses.some(([from, to]) => status >= from && status <= to)) {",
    replace: "if (status === 0) {",
    tests: ATTEMPT,
  },
  {
    name: "a text that is missing fails a check",
    file: attempt,
    find: "if (text.includes(wanted)) this.#pass();",
    replace: "this.#pass();",
    tests: ATTEMPT,
  },
  {
    name: "a check has a time",
    file: attempt,
    find: "if (this.#ended) return;\n    this.#ended = true;\n    clearTimeout(this.#timer);\n    const passed = this.#passedAt !== null;",
    replace:
      'if (this.#ended || (failure ?? "").includes("within")) return;\n    this.#ended = true;\n    clearTimeout(this.#timer);\n    const passed = this.#passedAt !== null;',
    tests: ATTEMPT,
  },
  {
    name: "an ejection ends when its time is over",
    file: watch,
    find: "rules === null || leftMs <= 0 || leftMs > rules.maxTimeMs",
    replace: "rules === null || leftMs > rules.maxTimeMs",
    tests: WATCH,
  },
  {
    name: "an ejection ends where its longest time became shorter",
    file: watch,
    find: " || leftMs > rules.maxTimeMs;",
    replace: ";",
    tests: WATCH,
  },
  {
    name: "ejections are forgiven when time has passed",
    file: watch,
    find: "if (nowMs - this.#since < lastMs) return;",
    replace: "",
    tests: WATCH,
  },
  {
    name: "ejections are forgiven to who does well",
    file: watch,
    find: "if (well) state.forgiveEjections();",
    replace: "if (well || lastMs > 0) state.forgiveEjections();",
    tests: WATCH,
  },
  {
    name: "the count of ejected backends is set right",
    file: "src/control/health/ejected-count.ts",
    find: "} else if (++this.#looks === LOOKS) {",
    replace: "} else if (++this.#looks < 0) {",
    tests: WATCH,
  },
  // ---- the admin API ----
  {
    name: "the admin API answers for a path only",
    file: guard,
    find: "this.#refuseTarget(request) ??",
    replace: "",
    tests: ACCESS,
  },
  {
    name: "the admin API answers for its own hosts only",
    file: guard,
    find: "if (isPort && this.#isOurs(authority.name, request)) return null;",
    replace: "if (isPort) return null;",
    tests: ACCESS,
  },
  {
    name: "the admin API answers for its own port only",
    file: guard,
    find: "const isPort = authority !== null && (authority.port === null || authority.port === port);",
    replace: "const isPort = authority !== null;",
    tests: ACCESS,
  },
  {
    name: "one Host to the admin API",
    file: guard,
    find: 'if (host === "" || others.length > 0) {',
    replace: 'if (host === "") {',
    tests: ACCESS,
  },
  {
    name: "the admin API serves no page of another origin",
    file: guard,
    find: "this.#refuseOrigin(request) ??",
    replace: "",
    tests: ACCESS,
  },
  {
    name: "the admin API serves no page of another port",
    file: guard,
    find: "(authority.port ?? 80) === port && ",
    replace: "",
    tests: ACCESS,
  },
  {
    name: "the admin API serves no request of another site",
    file: guard,
    find: 'if (site === "same-origin" || site === "none") continue;',
    replace: 'if (site !== "") continue;',
    tests: ACCESS,
  },
  {
    name: "a change needs the token",
    file: guard,
    find: "if (!(READS.includes(method) ? this.#readsNeedToken : this.#writesNeedToken)) return null;",
    replace: "if (!this.#readsNeedToken) return null;",
    tests: ACCESS,
  },
  {
    name: "a look from outside needs the token",
    file: guard,
    find: "this.#readsNeedToken = spec.closed || !isLoopback(address);",
    replace: "this.#readsNeedToken = false;",
    tests: ACCESS,
  },
  {
    name: "the token is the right one",
    file: guard,
    find: 'if (this.#tokenHash !== null && timingSafeEqual(hashOf(Buffer.from(given, "latin1")), this.#tokenHash))',
    replace: "if (this.#tokenHash !== null && timingSafeEqual(this.#tokenHash, this.#tokenHash))",
    tests: ACCESS,
  },
  {
    name: "the body of a change is JSON",
    file: guard,
    find: "if (READS.includes(method) || /",
    replace: 'if (READS.includes(method) || type !== "-" || /',
    tests: ["test/admin/answers.test.ts"],
  },
  {
    name: "the admin API is open on a loopback address only",
    file: server,
    find: "  if (open)\n",
    replace: "  if (open && address === host + host)\n",
    tests: ACCESS,
  },
  {
    name: "the admin API is not open to others without a token",
    file: server,
    find: "  if (token === null)\n",
    replace: '  if (token === "")\n',
    tests: ACCESS,
  },
];
