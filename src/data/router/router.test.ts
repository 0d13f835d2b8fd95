// Which of several routes takes a request: tables, and agreement with a naive reading. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { RouteSpec } from "../../config/snapshot.ts";
import { HeaderList } from "../../core/headers.ts";
import { createRouter } from "./router.ts";

type Matchers = Pick<RouteSpec, "hosts" | "path" | "pathKind" | "methods" | "headers" | "priority">;
interface Request {
  readonly host: string;
  readonly path: string;
  readonly method: string;
  readonly headers: ReadonlyArray<readonly [string, string]>;
}

const GET: Request = { host: "", path: "/", method: "GET", headers: [] };

/** Each table lists its routes as `name: matchers`, and requests with the name of the route they belong to. */
const TABLES: ReadonlyArray<{
  readonly title: string;
  readonly routes: Readonly<Record<string, Partial<Matchers>>>;
  readonly requests: ReadonlyArray<readonly [Partial<Request>, string | null]>;
}> = [
  {
    title: "a prefix ends with a segment",
    routes: { api: { path: "/api" } },
    requests: [
      [{ path: "/api" }, "api"],
      [{ path: "/api/" }, "api"],
      [{ path: "/api/x" }, "api"],
      [{ path: "/apix" }, null],
      [{ path: "/api%2Fx" }, null],
      [{ path: "/api;x" }, null],
      [{ path: "/ap" }, null],
      [{ path: "/x/api" }, null],
      [{ path: "/" }, null],
    ],
  },
  {
    title: "a prefix with a slash at its end does not take the path without it",
    routes: { folder: { path: "/api/" } },
    requests: [
      [{ path: "/api/" }, "folder"],
      [{ path: "/api/x" }, "folder"],
      [{ path: "/api" }, null],
    ],
  },
  {
    title: "the root takes every path",
    routes: { root: {} },
    requests: [
      [{ path: "/" }, "root"],
      [{ path: "/a/b" }, "root"],
    ],
  },
  {
    title: "an exact path wins over every prefix, and takes nothing else",
    routes: { prefix: { path: "/a", priority: 9 }, exact: { path: "/a", pathKind: "exact" } },
    requests: [
      [{ path: "/a" }, "exact"],
      [{ path: "/a/" }, "prefix"],
      [{ path: "/a/b" }, "prefix"],
    ],
  },
  {
    title: "the longest prefix wins, whatever the order, priority and matchers",
    routes: {
      root: { priority: 9, methods: ["GET"] },
      short: { path: "/a", priority: 9, methods: ["GET"] },
      long: { path: "/a/b" },
      folder: { path: "/a/b/" },
    },
    requests: [
      [{ path: "/a" }, "short"],
      [{ path: "/a/bc" }, "short"],
      [{ path: "/a/b" }, "long"],
      [{ path: "/a/b/c" }, "folder"],
      [{ path: "/c" }, "root"],
    ],
  },
  {
    title: "an exact host wins over wildcards, the longest wildcard wins, and every host comes last",
    routes: {
      any: { path: "/a/b", priority: 9 },
      wide: { hosts: ["*.example.com"] },
      narrow: { hosts: ["*.eu.example.com"] },
      exact: { hosts: ["www.eu.example.com", "other.test"] },
    },
    requests: [
      [{ host: "www.eu.example.com", path: "/a/b" }, "exact"],
      [{ host: "other.test" }, "exact"],
      [{ host: "api.eu.example.com", path: "/a/b" }, "narrow"],
      [{ host: "a.b.eu.example.com" }, "narrow"],
      [{ host: "eu.example.com" }, "wide"],
      [{ host: "x.example.com" }, "wide"],
      [{ host: "example.com" }, null],
      [{ host: ".example.com" }, null],
      [{ host: "xexample.com" }, null],
      [{ host: "example.com", path: "/a/b" }, "any"],
      [{ host: "", path: "/a/b" }, "any"],
    ],
  },
  {
    title: "a request that no route of the best path or host takes goes to the next best",
    routes: {
      any: {},
      host: { hosts: ["*.test"], path: "/a" },
      wild: { hosts: ["*.b.test"], path: "/a", methods: ["PUT"] },
      exact: { hosts: ["a.b.test"], path: "/a/b", methods: ["POST"] },
      page: {
        hosts: ["a.b.test"],
        path: "/a/b",
        pathKind: "exact",
        headers: [{ name: "x-page", value: null }],
      },
    },
    requests: [
      [{ host: "a.b.test", path: "/a/b", headers: [["X-Page", ""]] }, "page"],
      [{ host: "a.b.test", path: "/a/b", method: "POST" }, "exact"],
      [{ host: "a.b.test", path: "/a/b", method: "PUT" }, "wild"],
      [{ host: "a.b.test", path: "/a/b" }, "host"],
      [{ host: "a.b.test", path: "/c" }, "any"],
    ],
  },
  {
    title: "more matchers win, then the priority, then the order of the file",
    routes: {
      third: { priority: 1 },
      second: { methods: ["GET"] },
      first: { methods: ["GET"], headers: [{ name: "x-beta", value: "1" }] },
      fourth: {},
      fifth: {},
      alsoSecond: { headers: [{ name: "x-beta", value: null }], priority: -1 },
    },
    requests: [
      [{ headers: [["x-beta", "1"]] }, "first"],
      [{ headers: [["x-beta", "2"]] }, "second"],
      [{ method: "POST", headers: [["x-beta", "1"]] }, "alsoSecond"],
      [{ method: "POST" }, "third"],
    ],
  },
  {
    title: "the order of the file decides between equals, whatever their names look like",
    routes: { b: { path: "/x" }, a: { path: "/x" } },
    requests: [[{ path: "/x" }, "b"]],
  },
  {
    title: "methods are compared as they are, and GET takes HEAD with it",
    routes: { get: { methods: ["GET"] }, post: { methods: ["POST"] } },
    requests: [
      [{ method: "GET" }, "get"],
      [{ method: "HEAD" }, "get"],
      [{ method: "POST" }, "post"],
      [{ method: "get" }, null],
      [{ method: "PUT" }, null],
    ],
  },
  {
    title: "a header matches in any case of its name and only the whole of one of its values",
    routes: { value: { headers: [{ name: "x-beta", value: "On" }] } },
    requests: [
      [{ headers: [["X-BETA", "On"]] }, "value"],
      [
        {
          headers: [
            ["x-beta", "off"],
            ["X-Beta", "On"],
          ],
        },
        "value",
      ],
      [{ headers: [["x-beta", "on"]] }, null],
      [{ headers: [["x-beta", "On, off"]] }, null],
      [{ headers: [["x-bet", "On"]] }, null],
      [{ headers: [] }, null],
    ],
  },
  {
    title: "every header that a route names must match",
    routes: {
      both: {
        headers: [
          { name: "a", value: "1" },
          { name: "connection", value: null },
        ],
      },
    },
    requests: [
      [
        {
          headers: [
            ["a", "1"],
            ["Connection", "close"],
          ],
        },
        "both",
      ],
      [{ headers: [["a", "1"]] }, null],
      [{ headers: [["Connection", "close"]] }, null],
    ],
  },
];

describe("createRouter", () => {
  for (const { title, routes, requests } of TABLES) {
    it(title, () => {
      const router = createRouter(
        Object.entries(routes).map(([name, matchers]) => ({ name, spec: spec(matchers) })),
      );
      for (const [request, name] of requests) {
        const { host, path, method, headers } = { ...GET, ...request };
        const found = router.match(host, path, method, headerList(headers));
        assert.equal(found?.name ?? null, name, `${method} ${host}${path} ${JSON.stringify(headers)}`);
      }
    });
  }

  it("does not see a field that was removed", () => {
    const router = createRouter([{ spec: spec({ headers: [{ name: "te", value: null }] }) }]);
    const headers = headerList([["TE", "trailers"]]);
    assert.ok(router.match("", "/", "GET", headers));
    headers.removeNamed("te");
    assert.equal(router.match("", "/", "GET", headers), null);
  });

  it("finds nothing where there are no routes", () => {
    assert.equal(createRouter([]).match("a.test", "/", "GET", new HeaderList()), null);
  });

  it("agrees with a naive reading that ranks every route for every request", () => {
    const routes = fc
      .array(anyMatchers, { maxLength: 12 })
      .map((all) => all.map((matchers) => ({ spec: spec(matchers) })));
    fc.assert(
      fc.property(routes, fc.array(anyRequest, { minLength: 1, maxLength: 8 }), (all, requests) => {
        const router = createRouter(all);
        for (const request of requests) {
          const { host, path, method, headers } = request;
          const found = router.match(host, path, method, headerList(headers));
          assert.equal(
            found === null ? -1 : all.indexOf(found),
            naiveMatch(all, request),
            JSON.stringify(request),
          );
        }
      }),
      { numRuns: 3000 },
    );
  });
});

const anyPath = fc.constantFrom("/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/ab", "/b");
const anyHeader = fc.constantFrom("x", "y");
const anyMatchers: fc.Arbitrary<Matchers> = fc.record({
  hosts: fc.subarray(["a.b.test", "b.test", "*.b.test", "*.test"], { maxLength: 2 }),
  path: anyPath,
  pathKind: fc.constantFrom("prefix", "exact"),
  methods: fc.option(fc.subarray(["GET", "POST", "HEAD"], { minLength: 1 })),
  headers: fc.array(fc.record({ name: anyHeader, value: fc.option(fc.constantFrom("1", "2")) }), {
    maxLength: 2,
  }),
  priority: fc.integer({ min: -1, max: 1 }),
});
const anyRequest: fc.Arbitrary<Request> = fc.record({
  host: fc.constantFrom("", "test", "b.test", "a.b.test", "c.b.test", "d.c.b.test", "ab.test"),
  path: anyPath,
  method: fc.constantFrom("GET", "HEAD", "POST", "PUT"),
  headers: fc.array(fc.tuple(anyHeader, fc.constantFrom("1", "2", "3")), { maxLength: 3 }),
});

/** The index of the best route by the words of the precedence, or -1. */
function naiveMatch(routes: ReadonlyArray<{ spec: RouteSpec }>, request: Request): number {
  const ranked = routes.flatMap(({ spec }, index) => {
    const hosts = spec.hosts.length === 0 ? [""] : spec.hosts;
    return hosts
      .filter((host) => takes(host, spec, request))
      .map((host) => ({
        index,
        rank: [
          host === "" ? 0 : host.startsWith("*") ? host.length : 1000,
          spec.pathKind === "exact" ? 1000 : spec.path.length,
          (spec.methods ? 1 : 0) + spec.headers.length,
          spec.priority,
          -index,
        ],
      }));
  });
  ranked.sort(
    (a, b) => a.rank.map((value, i) => b.rank[i]! - value).find((difference) => difference !== 0) ?? 0,
  );
  return ranked[0]?.index ?? -1;
}

function takes(host: string, spec: RouteSpec, request: Request): boolean {
  const suffix = host.slice(1);
  const hostFits =
    host === "" ||
    host === request.host ||
    (host[0] === "*" && request.host.endsWith(suffix) && request.host !== suffix);
  const folder = spec.path.endsWith("/") ? spec.path : `${spec.path}/`;
  const pathFits =
    request.path === spec.path || (spec.pathKind === "prefix" && request.path.startsWith(folder));
  const methods = request.method === "HEAD" ? ["HEAD", "GET"] : [request.method];
  const methodFits = spec.methods === null || methods.some((method) => spec.methods?.includes(method));
  const headersFit = spec.headers.every(({ name, value }) =>
    request.headers.some((field) => field[0] === name && (value === null || field[1] === value)),
  );
  return hostFits && pathFits && methodFits && headersFit;
}

function headerList(fields: ReadonlyArray<readonly [string, string]>): HeaderList {
  const list = new HeaderList();
  for (const [name, value] of fields) list.add(name, value);
  return list;
}

function spec(matchers: Partial<Matchers>): RouteSpec {
  return {
    name: "route",
    hosts: [],
    path: "/",
    pathKind: "prefix",
    methods: null,
    headers: [],
    priority: 0,
    policies: null,
    action: { kind: "respond", status: 200, headers: [], body: "" },
    bodyBytes: null,
    minBodyRate: 0,
    ...matchers,
  };
}
