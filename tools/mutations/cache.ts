// Guards of the policy `cache`: what is kept, for whom it is used, and what waits for what.

import type { Mutation } from "./mutation.ts";

const freshness = "src/data/policies/cache-freshness.ts";
const directives = "src/data/policies/cache-directives.ts";
const entry = "src/data/policies/cache-entry.ts";
const store = "src/data/policies/cache-store.ts";
const body = "src/data/policies/cache-body.ts";
const fetch = "src/data/policies/cache-fetch.ts";
const policy = "src/data/policies/cache.ts";
const caches = "src/data/policies/caches.ts";
const key = "src/data/policies/cache-key.ts";

const TIMES = ["src/data/policies/cache-freshness.test.ts"];
const STORE = ["src/data/policies/cache-store.test.ts"];
const RULES = ["test/policies/cache-rules.test.ts"];
const WAITING = ["test/policies/cache-waiting.test.ts"];
const KEEPING = ["test/policies/cache-keeping.test.ts"];
const FORGETTING = ["test/policies/cache-forgetting.test.ts"];

export const CACHE_MUTATIONS: readonly Mutation[] = [
  // ---- what is kept ----
  {
    name: "a response with a cookie is not kept",
    file: freshness,
    find: 'if (headers.has("set-cookie", null)) return null;',
    replace: "",
    tests: TIMES,
  },
  {
    name: "what varies by more than fields is not kept",
    file: "src/data/policies/cache-vary.ts",
    find: 'names.has("*") ? null : [...names].sort()',
    replace: "[...names].sort()",
    tests: TIMES,
  },
  {
    name: "a response to somebody is not kept unless it is for everybody",
    file: freshness,
    find: 'personal || request.headers.has("authorization", null)',
    replace: "false",
    tests: TIMES,
  },
  {
    name: "who was let in by a policy is somebody",
    file: freshness,
    find: "return personal || ",
    replace: "return ",
    tests: TIMES,
  },
  {
    name: "directives are told in any case",
    file: directives,
    find: "const lower = name.toLowerCase();",
    replace: "const lower = name;",
    tests: ["src/data/policies/cache-directives.test.ts"],
  },
  {
    name: "a number is all digits",
    file: directives,
    find: "/^\\d+$/.test(value) ? Math.min(Number(value), MOST_SECONDS) : 0",
    replace: "Math.min(Number.parseInt(value, 10) || 0, MOST_SECONDS)",
    tests: ["src/data/policies/cache-directives.test.ts"],
  },
  {
    name: "ttl is for responses that say nothing",
    file: freshness,
    find: "if (!isExplicit && !noCache)",
    replace: "if (!noCache)",
    tests: TIMES,
  },
  {
    name: "no-cache is never fresh",
    file: freshness,
    find: "noCache ? 0 : policy.maxAge() * 1000",
    replace: "policy.maxAge() * 1000 || spec.ttlMs",
    tests: TIMES,
  },
  {
    name: "must-revalidate forbids what is past its time",
    file: freshness,
    find: "if (mustRevalidate) return 0;",
    replace: "",
    tests: TIMES,
  },
  {
    name: "a field that is made behind the cache tells nothing apart",
    file: fetch,
    find: "return names !== null && varyKey(names, headers) === varyKey(names, this.#asker.request.headers);",
    replace: "return names !== null && headers !== null;",
    tests: KEEPING,
  },
  {
    name: "a request with a body passes the cache by",
    file: key,
    find: "if (bodyLength !== 0 || upgrade !== null) return true;",
    replace: "if (upgrade !== null) return true;",
    tests: RULES,
  },
  {
    name: "the scheme is part of the key",
    file: key,
    find: "spec.scheme ?",
    replace: "!spec.scheme ?",
    tests: ["src/data/policies/cache-key.test.ts"],
  },
  {
    name: "a 304 leaves what tells of the body",
    file: entry,
    find: "!OF_ONE_ANSWER.includes(name) && !OF_THE_BODY.includes(name);",
    replace: "!OF_ONE_ANSWER.includes(name);",
    tests: RULES,
  },
  {
    name: "a 304 brings no cookie into the cache",
    file: entry,
    find: "!OF_ONE_ANSWER.includes(name) && !OF_THE_BODY.includes(name);",
    replace: "!OF_THE_BODY.includes(name);",
    tests: RULES,
  },
  {
    name: "what a newer response forbids to keep is forgotten",
    file: fetch,
    find: "if (entry !== null && this.#head!.status < 500) zone.drop(name.key, entry);",
    replace: "",
    tests: RULES,
  },

  // ---- how it is used ----
  {
    name: "a variant is for requests with its fields",
    file: store,
    find: "if (varyNames.length > 0 && varyKey(varyNames, headers) !== key) continue;",
    replace: "",
    tests: STORE,
  },
  {
    name: "a client that asks for no-cache gets what the backend says",
    file: entry,
    find: "if (asked.noCache || ",
    replace: "if (",
    tests: RULES,
  },
  {
    name: "stale-if-error is no answer to no-cache",
    file: fetch,
    find: ' && this.#plan.forwarded !== "request"',
    replace: "",
    tests: RULES,
  },
  {
    name: "max-stale does not overrule must-revalidate",
    file: entry,
    find: "if (mayBeStale && ageMs",
    replace: "if (ageMs",
    tests: RULES,
  },
  {
    name: "what was sent longer ago is older",
    file: freshness,
    find: "bornMs: nowMs - ageMs,",
    replace: "bornMs: nowMs,",
    tests: TIMES,
  },
  {
    name: "a change forgets what was kept",
    file: policy,
    find: "if (head.status >= 200 && head.status < 400)",
    replace: "if (head.status >= 300 && head.status < 400)",
    tests: RULES,
  },
  {
    name: "a change on one thread counts on all before its client hears of it",
    file: policy,
    find: "    thread.cacheChanges.apply();\n",
    replace: "",
    tests: ["src/data/policies/caches.test.ts"],
  },
  {
    name: "a change that failed forgets nothing",
    file: policy,
    find: " && head.status < 400)",
    replace: ")",
    tests: RULES,
  },
  {
    name: "what is fetched while its resource changes is not kept",
    file: policy,
    find: "if (fetch.name.key === key) fetch.outdate();",
    replace: "{ if (fetch.name.key !== key) fetch.outdate(); }",
    tests: FORGETTING,
  },
  {
    name: "a change names resources of its own origin only",
    file: caches,
    find: "url === null || own === null || url.origin !== own.origin",
    replace: "url === null || own === null",
    tests: FORGETTING,
  },
  {
    name: "a route that changed finds nothing kept",
    file: caches,
    find: "before?.identity === identity",
    replace: "before !== undefined",
    tests: FORGETTING,
  },

  // ---- memory ----
  {
    name: "the store holds no more than its size",
    file: store,
    find: "while (this.bytes > this.#maxBytes) this.remove(this.#ends.newer);",
    replace: "",
    tests: STORE,
  },
  {
    name: "what was used last stays",
    file: store,
    find: "    unlink(slot);\n    this.#link(slot);\n",
    replace: "",
    tests: STORE,
  },
  {
    name: "a resource has so many variants and no more",
    file: store,
    find: "if (resource.slots.length > MAX_VARIANTS)",
    replace: "if (resource.slots.length > 10 * MAX_VARIANTS)",
    tests: STORE,
  },
  {
    name: "a body that is kept has an end",
    file: body,
    find: "bytes > this.#maxBytes || ",
    replace: "",
    tests: ["src/data/policies/cache-body.test.ts"],
  },
  {
    name: "bodies on their way have no more room than the store",
    file: "src/data/policies/cache-room.ts",
    find: "if (this.taken + bytes > this.#maxBytes) return false;",
    replace: "",
    tests: ["src/data/policies/cache-body.test.ts"],
  },
  {
    name: "a body counts while a slow client is sent it",
    file: body,
    find: "this.#room.hold(this.#held);",
    replace: "this.#held = null;",
    tests: ["src/data/policies/cache-body.test.ts"],
  },
  {
    name: "a slow client is sent no more than it takes",
    file: body,
    find: "while (this.#flows && !exchange.finished)",
    replace: "while (!exchange.finished)",
    tests: ["src/data/policies/cache-body.test.ts"],
  },

  // ---- waiting ----
  {
    name: "those who ask for the same wait for one fetch",
    file: policy,
    find: "if (isShared && this.shared.get(sharedAs)?.join(asking) === true) return Step.waits;",
    replace: "",
    tests: WAITING,
  },
  {
    name: "a first client that went away takes nothing from the others",
    file: fetch,
    find: "this.#state === PASSING || (this.#state === HEAD && this.#waiting.size === 0)",
    replace: "this.#state !== OVER",
    tests: WAITING,
  },
  {
    name: "a fetch that nobody wants is given up",
    file: fetch,
    find: "if (this.#state === PASSING || (this.#state === HEAD && this.#waiting.size === 0)) this.#giveUp();",
    replace: "",
    tests: WAITING,
  },
  {
    name: "those who waited in vain are not made to wait again",
    file: fetch,
    find: "if (sharedAs !== null) passes.add(sharedAs);",
    replace: "",
    tests: WAITING,
  },
  {
    name: "a wait has an end",
    file: fetch,
    find: "thread.deadlines.set(this, spec.waitMs);",
    replace: "",
    tests: WAITING,
  },
  {
    name: "a response is for those only who ask for this variant",
    file: fetch,
    find: "return isVariant && entry.useFor(",
    replace: "return entry.useFor(",
    tests: WAITING,
  },
  {
    name: "what broke off is not kept",
    file: fetch,
    find: "    this.#waiting.clear();\n    this.#over();\n    for (const { exchange } of readers)",
    replace:
      "    if (this.#state === KEEPING) this.#keep(this.#kept!, this.#body!);\n    this.#waiting.clear();\n    this.#over();\n    for (const { exchange } of readers)",
    tests: WAITING,
  },
  {
    name: "one request fetches anew what is used past its time",
    file: policy,
    find: "    if (this.shared.has(sharedAs)) return;\n",
    replace: "",
    tests: WAITING,
  },
];
