// When the policy `cache` keeps a response and answers with it, by the rules of RFC 9111: a table of exchanges in a row,
// most of them after the public cases of https://cache-tests.fyi that apply to a gateway. What grows old there with time is
// old here from the start, by its Age. Runs against a gateway in a process of its own.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Answer, ask } from "../http/client.ts";
import { Pair } from "../http/pair.ts";
import { valuesOf } from "../http/strict-reading.ts";

/** One exchange: what the client sends, what the origin would answer, and what becomes of it. */
interface Step {
  /** Method, `GET` where there is none, and fields of the request. */
  readonly ask?: string;
  /** Fields of the response of the origin; its body is the number of the step. Of the step before, where there are none. */
  readonly give?: string;
  readonly status?: number;
  /** Whether the origin is asked: as it is, or whether something changed. */
  readonly to: "origin" | "validated" | "cache";
  /** Number of the step whose body the client gets: else that of this step. */
  readonly body?: number;
  /** Of the answer to the client. */
  readonly answer?: number;
  readonly has?: string;
  readonly hasNot?: string;
}

const FRESH = "Cache-Control: max-age=3600";
const FIRST: Step = { give: FRESH, to: "origin" };
const HIT: Step = { to: "cache", body: 1 };
const AGAIN: Step = { to: "origin" };

function twice(give: string, to: "origin" | "cache"): readonly Step[] {
  return [{ give, to: "origin" }, to === "cache" ? HIT : AGAIN];
}

/** Two requests with these fields, where the response has those. */
function vary(give: string, first: string, second: string, to: "origin" | "cache"): readonly Step[] {
  const isKept = to === "cache" ? { body: 1 } : {};
  return [
    { ask: `GET\n${first}`, give: `${FRESH}\n${give}`, to: "origin" },
    { ask: `GET\n${second}`, to, ...isKept },
  ];
}

/** What was kept is past its time; then the origin answers so. */
function stale(kept: string, second: Partial<Step>): readonly Step[] {
  return [
    { give: `${kept}\nAge: 100`, to: "origin" },
    { to: "origin", ...second },
  ];
}

const ETAG = 'ETag: "a"';
const OLD_DATE = "Last-Modified: Wed, 01 Jan 2020 00:00:00 GMT";

const CASES: Readonly<Record<string, Readonly<Record<string, readonly Step[]>>>> = {
  freshness: {
    "none without a word": twice("X-A: 1", "origin"),
    "none by a guess from Last-Modified": twice(OLD_DATE, "origin"),
    "max-age": twice(FRESH, "cache"),
    "max-age in any case": twice("CACHE-CONTROL: MaX-aGe=3600", "cache"),
    "max-age in quotes": twice('Cache-Control: max-age="3600"', "cache"),
    "max-age with leading zeros": twice("Cache-Control: max-age=003600", "cache"),
    "max-age beyond 31 bits": twice("Cache-Control: max-age=99999999999", "cache"),
    "max-age beside an extension": twice("Cache-Control: foobar, max-age=3600", "cache"),
    "max-age=0": twice("Cache-Control: max-age=0", "origin"),
    "max-age in single quotes": twice("Cache-Control: max-age='3600'", "origin"),
    "max-age with a letter before": twice("Cache-Control: max-age=a3600", "origin"),
    "max-age with a letter behind": twice("Cache-Control: max-age=3600a", "origin"),
    "max-age below 0": twice("Cache-Control: max-age=-3600", "origin"),
    "max-age with a space before =": twice("Cache-Control: max-age =3600", "origin"),
    "max-age with a space behind =": twice("Cache-Control: max-age= 3600", "origin"),
    "max-age within a quoted value": twice('Cache-Control: extension="max-age=3600"', "origin"),
    "max-age within a quoted value, and a real one": twice(
      'Cache-Control: ext="a, max-age=3600", max-age=0',
      "origin",
    ),
    "Age beyond max-age": twice("Cache-Control: max-age=10\nAge: 15", "origin"),
    "Age below max-age": twice("Cache-Control: max-age=1000\nAge: 15", "cache"),
    "an Age that is no number": twice("Cache-Control: max-age=1000\nAge: abc", "cache"),
    "s-maxage before a shorter max-age": twice("Cache-Control: max-age=0, s-maxage=3600", "cache"),
    "s-maxage before a longer max-age": twice("Cache-Control: max-age=3600, s-maxage=0", "origin"),
    "s-maxage on a line of its own": twice(
      "Cache-Control: max-age=3600\nCache-Control: s-maxage=0",
      "origin",
    ),
    "Expires in the future": twice("Expires: {future}\nDate: {now}", "cache"),
    "Expires in the past": twice("Expires: {past}\nDate: {now}", "origin"),
    "Expires that is no date": twice("Expires: 0\nDate: {now}", "origin"),
    "Expires in the past beside max-age": twice(`${FRESH}\nExpires: {past}`, "cache"),
    "Expires in the future beside max-age=0": twice("Cache-Control: max-age=0\nExpires: {future}", "origin"),
  },
  "directives of responses": {
    "no-store": twice("Cache-Control: no-store, max-age=3600", "origin"),
    "no-store in any case": twice("Cache-Control: No-StOrE, max-age=3600", "origin"),
    private: twice("Cache-Control: private, max-age=3600", "origin"),
    "private in any case": twice("Cache-Control: PRIVATE, max-age=3600", "origin"),
    "private with fields": twice('Cache-Control: private="x-a", max-age=3600', "origin"),
    "no-cache": twice("Cache-Control: no-cache, max-age=3600", "origin"),
    "no-cache in any case": twice("Cache-Control: No-CaChE, max-age=3600", "origin"),
    "no-cache, confirmed": [
      { give: `Cache-Control: no-cache\n${ETAG}`, to: "origin" },
      { give: `Cache-Control: no-cache\n${ETAG}`, status: 304, to: "validated", body: 1 },
      { give: `Cache-Control: no-cache\n${ETAG}`, status: 304, to: "validated", body: 1 },
    ],
    "must-revalidate while fresh": twice("Cache-Control: max-age=3600, must-revalidate", "cache"),
    "proxy-revalidate while fresh": twice("Cache-Control: max-age=3600, proxy-revalidate", "cache"),
    "Pragma: no-cache": twice("Pragma: no-cache\nExpires: {future}\nDate: {now}", "origin"),
    "Pragma: no-cache beside Cache-Control": twice(`Pragma: no-cache\n${FRESH}`, "cache"),
    "Set-Cookie": twice(`Set-Cookie: a=1\nCache-Control: public, max-age=3600`, "origin"),
    "what was kept, after a newer response that may not be": [
      { give: "Cache-Control: max-age=10, stale-if-error=1000\nAge: 20", to: "origin" },
      { give: "Cache-Control: no-store", to: "origin" },
      { give: "X-A: 1", status: 503, answer: 503, to: "origin" },
    ],
  },
  "status codes": Object.fromEntries([
    ...[200, 203, 204, 301, 302, 307, 308, 404, 405, 410, 414, 501].map((status) => [
      `${status} with max-age`,
      [
        { ...FIRST, status, answer: status },
        { ...HIT, answer: status },
      ],
    ]),
    ...[201, 206, 400, 500, 503, 599].map((status) => [
      `${status}, which is never kept`,
      [
        { ...FIRST, status, answer: status },
        { ...AGAIN, status, answer: status },
      ],
    ]),
    [
      "404 without a word",
      [
        { give: "X-A: 1", status: 404, answer: 404, to: "origin" },
        { ...AGAIN, status: 404, answer: 404 },
      ],
    ],
  ]),
  Vary: {
    "by a field that is the same": vary("Vary: Foo", "Foo: 1", "Foo: 1", "cache"),
    "by a field that is another": vary("Vary: Foo", "Foo: 1", "Foo: 2", "origin"),
    "by a field that is missing": vary("Vary: Foo", "Foo: 1", "X: 1", "origin"),
    "by a field that was missing both times": vary("Vary: Foo, Bar", "Bar: 1", "Bar: 1\nX: 1", "cache"),
    "by one of two fields": vary("Vary: Foo, Bar", "Foo: 1\nBar: 1", "Foo: 1\nBar: 2", "origin"),
    "by a field on two lines": vary("Vary: Foo\nVary: Bar", "Foo: 1\nBar: 1", "Foo: 1\nBar: 2", "origin"),
    "by the name in any case": vary("Vary: FOO", "foo: 1", "Foo: 2", "origin"),
    "by other fields not": vary("Vary: Foo", "Foo: 1\nBar: 1", "Foo: 1\nBar: 2", "cache"),
    "space around commas is nothing": vary("Vary: Foo", "Foo: 1,2", "Foo:  1,  2 ", "cache"),
    "lines are one list": vary("Vary: Foo", "Foo: 1, 2", "Foo: 1\nFoo: 2", "cache"),
    "order of codings is nothing": vary(
      "Vary: Accept-Encoding",
      "Accept-Encoding: gzip, br",
      "Accept-Encoding: br,GZIP",
      "cache",
    ),
    "weights of codings are something": vary(
      "Vary: Accept-Encoding",
      "Accept-Encoding: gzip;q=1, br;q=0.5",
      "Accept-Encoding: br;q=1, gzip;q=0.5",
      "origin",
    ),
    "*": vary("Vary: *", "Foo: 1", "Foo: 1", "origin"),
    "* among others": vary("Vary: Foo, *", "Foo: 1", "Foo: 1", "origin"),
    "each variant is kept": [
      { ask: "GET\nFoo: 1", give: `${FRESH}\nVary: Foo`, to: "origin" },
      { ask: "GET\nFoo: 2", to: "origin", has: "Cache-Status: sluice; fwd=vary-miss; stored" },
      { ask: "GET\nFoo: 1", to: "cache", body: 1 },
      { ask: "GET\nFoo: 2", to: "cache", body: 2 },
    ],
  },
  "requests with Authorization": {
    "are not kept": [
      { ask: "GET\nAuthorization: x", give: FRESH, to: "origin" },
      { ...AGAIN, ask: "GET\nAuthorization: x" },
    ],
    "are for nobody else either": [{ ask: "GET\nAuthorization: x", give: FRESH, to: "origin" }, AGAIN],
    "are kept where the response is public": [
      { ask: "GET\nAuthorization: x", give: "Cache-Control: public, max-age=3600", to: "origin" },
      HIT,
    ],
    "are kept with s-maxage": [
      { ask: "GET\nAuthorization: x", give: "Cache-Control: s-maxage=3600", to: "origin" },
      HIT,
    ],
    "are kept with must-revalidate": [
      { ask: "GET\nAuthorization: x", give: "Cache-Control: max-age=3600, must-revalidate", to: "origin" },
      HIT,
    ],
    "get what was kept without": [FIRST, { ...HIT, ask: "GET\nAuthorization: x" }],
  },
  "directives of requests": {
    "no-cache": [
      FIRST,
      { ...AGAIN, ask: "GET\nCache-Control: no-cache", has: "Cache-Status: sluice; fwd=request; stored" },
      { to: "cache", body: 2 },
    ],
    "Pragma: no-cache": [FIRST, { ...AGAIN, ask: "GET\nPragma: no-cache" }],
    "Pragma beside Cache-Control": [
      FIRST,
      { ...HIT, ask: "GET\nPragma: no-cache\nCache-Control: max-stale" },
    ],
    "no-cache, confirmed": [
      { give: `${FRESH}\n${ETAG}`, to: "origin" },
      { ask: "GET\nCache-Control: no-cache", status: 304, to: "validated", body: 1 },
    ],
    "no-store": [FIRST, { ...AGAIN, ask: "GET\nCache-Control: no-store" }, HIT],
    "no-store, so that nothing is kept": [{ ...FIRST, ask: "GET\nCache-Control: no-store" }, AGAIN],
    "max-age=0": [
      { give: `${FRESH}\nAge: 1`, to: "origin" },
      { ...AGAIN, ask: "GET\nCache-Control: max-age=0" },
    ],
    "max-age below Age": [
      { give: `${FRESH}\nAge: 1800`, to: "origin" },
      { ...AGAIN, ask: "GET\nCache-Control: max-age=600" },
    ],
    "max-age above Age": [
      { give: `${FRESH}\nAge: 500`, to: "origin" },
      { ...HIT, ask: "GET\nCache-Control: max-age=600" },
    ],
    "min-fresh": [FIRST, { ...AGAIN, ask: "GET\nCache-Control: min-fresh=4000" }],
    "min-fresh, and fresh enough": [FIRST, { ...HIT, ask: "GET\nCache-Control: min-fresh=1000" }],
    "max-stale": [
      ...stale(`Cache-Control: max-age=50\n${ETAG}`, {
        ask: "GET\nCache-Control: max-stale=1000",
        to: "cache",
        body: 1,
      }),
    ],
    "max-stale without a limit": [
      ...stale(`Cache-Control: max-age=50\n${ETAG}`, {
        ask: "GET\nCache-Control: max-stale",
        to: "cache",
        body: 1,
      }),
    ],
    "max-stale, and staler": [
      ...stale(`Cache-Control: max-age=50\n${ETAG}`, { ask: "GET\nCache-Control: max-stale=10" }),
    ],
    "max-stale against must-revalidate": [
      ...stale(`Cache-Control: max-age=50, must-revalidate\n${ETAG}`, {
        ask: "GET\nCache-Control: max-stale=1000",
      }),
    ],
    "max-stale against s-maxage": [
      ...stale(`Cache-Control: s-maxage=50\n${ETAG}`, { ask: "GET\nCache-Control: max-stale=1000" }),
    ],
    "only-if-cached, and nothing kept": [
      { ask: "GET\nCache-Control: only-if-cached", to: "cache", answer: 504 },
    ],
    "only-if-cached": [FIRST, { ...HIT, ask: "GET\nCache-Control: only-if-cached" }],
  },
  "conditions of clients": {
    "If-None-Match that matches": [
      { give: `${FRESH}\n${ETAG}`, to: "origin" },
      { ask: 'GET\nIf-None-Match: "a"', to: "cache", answer: 304, has: ETAG, hasNot: "content-length" },
    ],
    "If-None-Match in a list": [
      { give: `${FRESH}\n${ETAG}`, to: "origin" },
      { ask: 'GET\nIf-None-Match: "x,", W/"a"', to: "cache", answer: 304 },
    ],
    "If-None-Match of another": [
      { give: `${FRESH}\n${ETAG}`, to: "origin" },
      { ...HIT, ask: 'GET\nIf-None-Match: "b"' },
    ],
    "If-None-Match: *": [
      { give: `${FRESH}\n${ETAG}`, to: "origin" },
      { ask: "GET\nIf-None-Match: *", to: "cache", answer: 304 },
    ],
    "a weak ETag": [
      { give: `${FRESH}\nETag: W/"a"`, to: "origin" },
      { ask: 'GET\nIf-None-Match: "a"', to: "cache", answer: 304 },
    ],
    "If-Modified-Since": [
      { give: `${FRESH}\n${OLD_DATE}`, to: "origin" },
      { ask: "GET\nIf-Modified-Since: {now}", to: "cache", answer: 304 },
    ],
    "If-Modified-Since before": [
      { give: `${FRESH}\n${OLD_DATE}`, to: "origin" },
      { ...HIT, ask: "GET\nIf-Modified-Since: Tue, 01 Jan 2019 00:00:00 GMT" },
    ],
    "If-None-Match goes before If-Modified-Since": [
      { give: `${FRESH}\n${ETAG}\n${OLD_DATE}`, to: "origin" },
      { ...HIT, ask: 'GET\nIf-None-Match: "b"\nIf-Modified-Since: {now}' },
    ],
    "of a response that is not 200": [
      { give: `${FRESH}\n${ETAG}`, status: 404, answer: 404, to: "origin" },
      { ...HIT, ask: 'GET\nIf-None-Match: "a"', answer: 404 },
    ],
    "with nothing kept, fetch all of it": [
      { ask: 'GET\nIf-None-Match: "a"', give: `${FRESH}\n${ETAG}`, to: "origin", answer: 304 },
      HIT,
    ],
    "If-Match is for the origin": [
      FIRST,
      { ...AGAIN, ask: 'GET\nIf-Match: "a"', has: "Cache-Status: sluice; fwd=bypass" },
    ],
    "If-Unmodified-Since is for the origin": [FIRST, { ...AGAIN, ask: "GET\nIf-Unmodified-Since: {now}" }],
  },
  "answers of 304": {
    "by ETag": [
      ...stale(`Cache-Control: max-age=50\n${ETAG}`, {
        give: `${FRESH}\n${ETAG}`,
        status: 304,
        to: "validated",
        body: 1,
        has: "Cache-Status: sluice; fwd=stale; fwd-status=304",
      }),
      { to: "cache", body: 1 },
    ],
    "by Last-Modified": [
      ...stale(`Cache-Control: max-age=50\n${OLD_DATE}`, {
        give: `${FRESH}\n${OLD_DATE}`,
        status: 304,
        to: "validated",
        body: 1,
      }),
      { to: "cache", body: 1 },
    ],
    "bring fields up to date": [
      ...stale(`Cache-Control: max-age=50\n${ETAG}\nX-A: 1\nX-B: 1`, {
        give: `${FRESH}\n${ETAG}\nX-A: 2\nX-C: 3`,
        status: 304,
        to: "validated",
        body: 1,
        has: "X-A: 2",
      }),
      { to: "cache", body: 1, has: "X-A: 2\nX-B: 1\nX-C: 3" },
    ],
    "do not touch what tells of the body": [
      ...stale(`Cache-Control: max-age=50\n${ETAG}\nContent-Encoding: x`, {
        give: `${FRESH}\n${ETAG}\nContent-Encoding: y`,
        status: 304,
        to: "validated",
        body: 1,
      }),
      { to: "cache", body: 1, has: "Content-Encoding: x" },
    ],
    "keep no cookie": [
      ...stale(`Cache-Control: max-age=50\n${ETAG}`, {
        give: `${FRESH}\n${ETAG}\nSet-Cookie: a=1`,
        status: 304,
        to: "validated",
        body: 1,
      }),
      { to: "cache", body: 1, hasNot: "set-cookie" },
    ],
    "that forbid to keep it": [
      ...stale(`Cache-Control: max-age=50\n${ETAG}`, {
        give: `Cache-Control: no-store\n${ETAG}`,
        status: 304,
        to: "validated",
        body: 1,
      }),
      { give: FRESH, to: "origin", has: "Cache-Status: sluice; fwd=uri-miss; stored" },
    ],
    "that say nothing anew": [
      ...stale(`Cache-Control: max-age=50\n${ETAG}`, {
        give: `${ETAG}`,
        status: 304,
        to: "validated",
        body: 1,
      }),
      { to: "cache", body: 1 },
    ],
    "or a whole response": [
      ...stale(`Cache-Control: max-age=50\n${ETAG}`, { give: `${FRESH}\nETag: "b"` }),
      { to: "cache", body: 2, has: 'ETag: "b"' },
    ],
  },
  changes: Object.fromEntries(
    ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH"].flatMap((method) => [
      [`by ${method}`, [FIRST, { ask: method, to: "origin" }, AGAIN]],
      [`by ${method} that failed`, [FIRST, { ask: method, status: 500, answer: 500, to: "origin" }, HIT]],
    ]),
  ),
  "what is past its time": {
    "is not used when the backend fails": stale(`Cache-Control: max-age=50\n${ETAG}`, {
      give: "X-A: 1",
      status: 503,
      answer: 503,
    }),
    "is used with stale-if-error": stale("Cache-Control: max-age=50, stale-if-error=100", {
      give: "X-A: 1",
      status: 503,
      body: 1,
      has: "Cache-Status: sluice; fwd=stale; fwd-status=503",
    }),
    "is used with stale-if-error when the connection is lost": stale(
      "Cache-Control: max-age=50, stale-if-error=100",
      { status: 0, body: 1, has: "Cache-Status: sluice; fwd=stale; fwd-status=502" },
    ),
    "is not used beyond stale-if-error": stale(`Cache-Control: max-age=50, stale-if-error=10\n${ETAG}`, {
      give: "X-A: 1",
      status: 503,
      answer: 503,
    }),
    "is not used against must-revalidate": stale(
      `Cache-Control: max-age=50, must-revalidate, stale-if-error=100\n${ETAG}`,
      { give: "X-A: 1", status: 503, answer: 503 },
    ),
    "is not used against proxy-revalidate": stale(
      `Cache-Control: max-age=50, proxy-revalidate, stale-if-error=100\n${ETAG}`,
      { give: "X-A: 1", status: 503, answer: 503 },
    ),
    "is not used against no-cache": stale(`Cache-Control: no-cache, stale-if-error=1000\n${ETAG}`, {
      give: "X-A: 1",
      status: 503,
      answer: 503,
    }),
    "is not used for a client that wants none of it": stale("Cache-Control: max-age=50, stale-if-error=100", {
      ask: "GET\nCache-Control: no-cache",
      give: "X-A: 1",
      status: 503,
      answer: 503,
    }),
    "is not used for 404": stale("Cache-Control: max-age=50, stale-if-error=100", {
      give: "X-A: 1",
      status: 404,
      answer: 404,
    }),
  },
  HEAD: {
    "is answered with what GET brought": [
      FIRST,
      { ask: "HEAD", to: "cache", body: 0, has: "Content-Length: 1" },
    ],
    "is not kept": [{ ask: "HEAD", give: FRESH, to: "origin", body: 0 }, AGAIN],
  },
  parts: {
    "of what is kept": [
      FIRST,
      { ask: "GET\nRange: bytes=0-0", to: "cache", answer: 206, body: 1, has: "Content-Range: bytes 0-0/1" },
    ],
    "that there are none of": [
      FIRST,
      { ask: "GET\nRange: bytes=5-", to: "cache", answer: 416, body: 0, has: "Content-Range: bytes */1" },
    ],
    "of another version": [
      { give: `${FRESH}\n${ETAG}`, to: "origin" },
      { ...HIT, ask: 'GET\nRange: bytes=0-0\nIf-Range: "b"' },
    ],
    "of this version": [
      { give: `${FRESH}\n${ETAG}`, to: "origin" },
      { ask: 'GET\nRange: bytes=0-0\nIf-Range: "a"', to: "cache", answer: 206, body: 1 },
    ],
    "of what is not kept": [
      {
        ask: "GET\nRange: bytes=0-0",
        give: `${FRESH}\nContent-Range: bytes 0-0/1`,
        status: 206,
        answer: 206,
        to: "origin",
      },
      AGAIN,
    ],
  },
  "a request that the cache is not for": {
    "with a body": [FIRST, { ...AGAIN, ask: "GET\nContent-Length: 2\n\nhi" }],
    "with OPTIONS": [FIRST, { ...AGAIN, ask: "OPTIONS" }, HIT],
  },
  "the fields of what is kept": {
    "have an Age": [
      { give: `${FRESH}\nAge: 7\nDate: {past}`, to: "origin" },
      { ...HIT, has: "Age: 7\nDate: {past}\nCache-Status: sluice; hit; ttl=3592" },
    ],
    "are those of the origin, but not of its connection": [
      { give: `${FRESH}\nConnection: X-Hop\nX-Hop: 1\nX-A: 1\nx-a: 2\nVia: 1.1 a`, to: "origin" },
      { ...HIT, has: "X-A: 1\nx-a: 2\nVia: 1.1 a", hasNot: "x-hop" },
    ],
  },
};

describe("the policy cache, by the rules", { timeout: 60_000 }, () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.start({ sections: "policies: { cache: {} }\n" });
  });
  after(() => pair.stop());

  let resources = 0;
  for (const [group, cases] of Object.entries(CASES)) {
    describe(group, () => {
      for (const [name, steps] of Object.entries(cases)) {
        it(name, () => run(pair, `/r${resources++}`, steps));
      }
    });
  }
});

async function run(pair: Pair, path: string, steps: readonly Step[]): Promise<void> {
  const { origin } = pair;
  let give = "";
  for (const [i, step] of steps.entries()) {
    const number = i + 1;
    give = step.give ?? give;
    const { status = 200 } = step;
    origin.requests = [];
    origin.answer = (_, connection) => {
      if (status === 0) connection.destroy();
      return status === 0 ? null : responseOf(status, datesIn(give), String(number));
    };
    const answer = await send(pair.port, path, datesIn(step.ask ?? "GET"));
    const label = `step ${number}: ${JSON.stringify(answer)}`;
    assert.equal(origin.requests.length > 0, step.to !== "cache", label);
    assert.equal(
      answer.status,
      step.answer ?? (status === 304 || step.body !== undefined ? 200 : status),
      label,
    );
    if (step.to === "validated") {
      const { fields } = origin.requests[0]!;
      const conditions = ["if-none-match", "if-modified-since"].flatMap((one) => valuesOf(fields, one));
      assert.ok(conditions.length > 0, label);
    }
    const body = step.body ?? number;
    const isOwn = answer.status >= 500 && origin.requests.length === 0;
    const isEmpty = body === 0 || answer.status === 204 || answer.status === 304;
    if (!isOwn) assert.equal(answer.body, isEmpty ? "" : String(body), label);
    for (const line of datesIn(step.has ?? "")
      .split("\n")
      .filter(Boolean)) {
      const [field = "", value] = line.split(/: /, 2);
      assert.ok(valuesOf(answer.fields, field.toLowerCase()).includes(value!), `${label}: ${line}`);
    }
    if (step.hasNot !== undefined) assert.deepEqual(valuesOf(answer.fields, step.hasNot), [], label);
  }
}

function responseOf(status: number, fields: string, body: string): string {
  const lines = fields.split("\n").map((line) => `${line}\r\n`);
  const isBodyless = status === 204 || status === 304;
  const length = isBodyless ? "" : `Content-Length: ${body.length}\r\n`;
  return `HTTP/1.1 ${status} x\r\n${lines.join("")}${length}\r\n${isBodyless ? "" : body}`;
}

async function send(port: number, path: string, text: string): Promise<Answer> {
  const [lines = "", body = ""] = text.split("\n\n");
  const [method, ...fields] = lines.split("\n");
  const head = fields.map((line) => `${line}\r\n`).join("");
  return (await ask(port, `${method} ${path} HTTP/1.1\r\nHost: a.test\r\n${head}\r\n${body}`, method)).answer;
}

const NOW = Math.floor(Date.now() / 1000) * 1000;

function datesIn(text: string): string {
  return text
    .replaceAll("{now}", new Date(NOW).toUTCString())
    .replaceAll("{past}", new Date(NOW - 10_000_000).toUTCString())
    .replaceAll("{future}", new Date(NOW + 10_000_000).toUTCString());
}
