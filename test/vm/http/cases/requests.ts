import { inspect } from "node:util";
import { attempt, type Cases, isStable, kind } from "./case.ts";

type Init = ConstructorParameters<typeof Request>[1];
const loose = (value: unknown) => value as Init;

const ATTRIBUTES = [
  ...[
    "method",
    "url",
    "destination",
    "referrer",
    "referrerPolicy",
    "mode",
    "credentials",
    "cache",
    "redirect",
  ],
  ...["integrity", "keepalive", "isReloadNavigation", "isHistoryNavigation", "duplex", "bodyUsed"],
];

function shown(request: Request): unknown[] {
  return [
    ...ATTRIBUTES.map((name) => Reflect.get(request, name)),
    [...request.headers],
    request.body === null,
  ];
}

const POST = {
  method: "POST",
  url: "http://localhost/a",
  body: "hello",
  headers: [["Content-Type", "text/plain"]],
} as const;

export const requestCases: Cases = {
  "Request: as it comes": ({ incoming }) =>
    shown(
      incoming({
        headers: [
          ["Host", "a"],
          ["Accept", "*/*"],
        ],
      }),
    ),
  "Request: with a body as it comes": ({ incoming }) => shown(incoming(POST)),
  "Request: URLs": ({ incoming }) =>
    [
      "http://localhost",
      "http://localhost:80/a",
      "https://localhost:443/a?b",
      "http://LOCALHOST:8080/A%2fb",
      "http://127.0.0.1:8080/a/../b",
      "http://127.1/",
      "http://a/.well-known/x",
      "http://a/b/./c/%2e%2E/d",
      "http://a/b|c\"d<e>f`{g}^'\\h",
      "http://a/?q=\"<>'`{}|^\\#",
      "http://a/?a=/../b",
      "http://a/ü?ü=ü",
      "http://a/a;b=c@d:e,f!$&()*+~-_.",
      "http://a/#frag",
      "http://a/%zz%",
      "http://[::1]:8080/a",
      "http://[0:0:0:0:0:0:0:1]/",
      "http://a?b",
    ].map((url) => incoming({ url }).url),
  "Request: methods": () =>
    Promise.all(
      [
        "get",
        "GET",
        "Head",
        "post",
        "put",
        "delete",
        "options",
        "PATCH",
        "query",
        "M-SEARCH",
        "foo",
        "connect",
        "TRACE",
        "track",
        "",
        "a b",
        "ü",
        1,
        null,
      ].map((method) => attempt(() => new Request("http://a/", loose({ method })).method)),
    ),
  "Request: of a URL, and of what becomes one": async () => [
    new Request(new URL("http://a/b")).url,
    new Request({ toString: () => "http://a/c" } as unknown as string).url,
    await attempt(() => new Request("/a")),
    await attempt(() => new Request("")),
    await attempt(() => new Request("http://u:p@a/")),
    await kind(() => new (Request as unknown as new () => Request)()),
    await attempt(() => new Request(undefined as unknown as string)),
    await kind(() => new Request(Symbol("a") as unknown as string)),
  ],
  "Request: init of another kind is refused": async () => [
    await kind(() => new Request("http://a/", loose(1))),
    await kind(() => new Request("http://a/", loose("x"))),
    shown(new Request("http://a/", loose(null))),
  ],
  "Request: every option": () =>
    shown(
      new Request("http://a/", {
        method: "PUT",
        headers: { a: "b" },
        referrer: "http://r/x",
        referrerPolicy: "origin",
        mode: "same-origin",
        credentials: "include",
        cache: "no-store",
        redirect: "manual",
        integrity: "sha256-x",
        keepalive: true,
      }),
    ),
  "Request: options that are not allowed": () =>
    Promise.all(
      [
        { mode: "navigate" },
        { mode: "x" },
        { credentials: "x" },
        { cache: "x" },
        { redirect: "x" },
        { referrerPolicy: "x" },
        { referrer: "::" },
        { duplex: "full" },
        { priority: "x" },
        { window: {} },
        { cache: "only-if-cached" },
        { signal: {} },
        { signal: "x" },
        { mode: "no-cors", method: "PUT" },
      ].map((init) => kind(() => shown(new Request("http://a/", loose(init))))),
    ),
  "Request: options that are": () =>
    [
      { referrer: "" },
      { referrer: "about:client" },
      { priority: "high" },
      { window: null },
      { signal: null },
      { duplex: "half" },
      { cache: "only-if-cached", mode: "same-origin" },
      { mode: "no-cors", method: "POST" },
      { keepalive: 0 },
      { integrity: null },
    ].map((init) => shown(new Request("http://a/", loose(init)))),
  "Request: options are kept by the next": () => {
    const first = new Request("http://a/", {
      redirect: "manual",
      cache: "no-store",
      referrer: "http://r/",
      mode: "same-origin",
    });
    return [shown(new Request(first)), shown(new Request(first, { method: "POST" })), shown(first.clone())];
  },
  "Request: made from one that came": async ({ incoming }) => {
    const first = incoming(POST);
    const second = new Request(first);
    return [
      first.bodyUsed,
      second.bodyUsed,
      shown(second),
      await second.text(),
      await attempt(() => first.text()),
    ];
  },
  "Request: made from one that came, changed": async ({ incoming }) => {
    const first = incoming(POST);
    const second = new Request(first, { method: "put", headers: { x: "y" } });
    const text = await second.text();
    return [first.bodyUsed, shown(second), text, [...first.headers]];
  },
  "Request: made from one that came, with another body": async ({ incoming }) => {
    const first = incoming(POST);
    const second = new Request(first, { body: "other" });
    return [first.bodyUsed, await second.text(), await first.text(), [...second.headers]];
  },
  "Request: made from one of another URL": async ({ incoming }) => {
    const first = incoming({ ...POST, headers: [["a", "b"]] });
    const second = new Request("http://other/", first as unknown as NonNullable<Init>);
    return [shown(second), await second.text(), first.bodyUsed];
  },
  "Request: made from one whose stream was asked for": async ({ incoming }) => {
    const first = incoming(POST);
    const stream = first.body!;
    const second = new Request(first);
    return [stream.locked, first.bodyUsed, await second.text()];
  },
  "Request: made from one that was used": async ({ incoming }) => {
    const first = incoming(POST);
    await first.text();
    return [
      await attempt(() => new Request(first)),
      await attempt(() => new Request(first, { body: "x" }).text()),
    ];
  },
  "Request: made from one that is locked": async ({ incoming }) => {
    const first = incoming(POST);
    first.body!.getReader();
    return attempt(() => new Request(first));
  },
  "Request: fields of the first do not follow the second": ({ incoming }) => {
    const first = incoming({ headers: [["a", "1"]] });
    const second = new Request(first);
    second.headers.set("a", "2");
    first.headers.append("b", "3");
    return [[...first.headers], [...second.headers]];
  },
  "Request: a body with GET or HEAD is refused": async ({ incoming }) => [
    await attempt(() => new Request("http://a/", { body: "x" })),
    await attempt(() => new Request("http://a/", { method: "head", body: "x" })),
    await attempt(() => new Request("http://a/", { body: "" })),
    await attempt(() => new Request(incoming(POST), { method: "GET" })),
    shown(new Request("http://a/", { body: null })),
  ],
  "Request: a stream needs duplex": async () => [
    await attempt(() => new Request("http://a/", { method: "POST", body: new ReadableStream() as never })),
    shown(new Request("http://a/", { method: "POST", body: new ReadableStream() as never, duplex: "half" })),
  ],
  "Request: content types": () =>
    ["x", new URLSearchParams("a=b"), new Blob(["x"], { type: "a/b" }), new Uint8Array(1)].map((body) => [
      ...new Request("http://a/", { method: "POST", body }).headers,
    ]),
  "Request: a content type that is given stays": () => [
    ...new Request("http://a/", { method: "POST", body: "x", headers: { "Content-Type": "a/b" } }).headers,
  ],
  "Request: clone": async ({ incoming }) => {
    const request = incoming(POST);
    const clone = request.clone();
    clone.headers.set("x", "y");
    return [shown(clone), [...request.headers], await request.text(), await clone.text()];
  },
  "Request: clone of a used one": async ({ incoming }) => {
    const request = incoming(POST);
    await request.text();
    return attempt(() => request.clone());
  },
  "Request: clones read in any order": async ({ incoming }) => {
    const request = incoming(POST);
    const second = request.clone();
    const third = second.clone();
    return [
      await third.text(),
      await second.json().catch((error: Error) => error.name),
      await request.text(),
    ];
  },
  "Request: its signal": ({ incoming }) => {
    const request = incoming({});
    return [isStable(() => request.signal), request.signal instanceof AbortSignal, request.signal.aborted];
  },
  "Request: its signal fires when its source's does": ({ incoming }) => {
    const controller = new AbortController();
    const request = incoming({ signal: controller.signal });
    const seen: unknown[] = [];
    request.signal.addEventListener("abort", () => seen.push("heard", request.signal.reason));
    controller.abort("gone");
    return [seen, request.signal.aborted];
  },
  "Request: its signal after the abort": ({ incoming }) => {
    const controller = new AbortController();
    const request = incoming({ signal: controller.signal });
    controller.abort(new Error("gone"));
    return [request.signal.aborted, (request.signal.reason as Error).message];
  },
  "Request: signals of those made from it": ({ incoming }) => {
    const controller = new AbortController();
    const other = new AbortController();
    const request = incoming({ signal: controller.signal });
    const made = [
      new Request(request),
      new Request(request, { signal: other.signal }),
      new Request(request, { signal: null }),
    ];
    const clone = request.clone();
    const signals = [...made, clone].map((each) => each.signal);
    controller.abort("gone");
    const first = signals.map((signal) => [signal.aborted, signal.reason]);
    other.abort("other");
    return [
      first,
      signals.map((signal) => [signal.aborted, signal.reason]),
      signals.includes(request.signal),
    ];
  },
  "Request: an init whose signal is aborted": () => {
    const request = new Request("http://a/", { signal: AbortSignal.abort("x") });
    return [request.signal.aborted, request.signal.reason];
  },
  "Request: inspected": ({ incoming }) => [
    inspect(incoming({ headers: [["A", "b"]] })),
    inspect(incoming(POST), { depth: 0 }),
    inspect({ deep: incoming({}) }, { depth: null }),
  ],
  "Request: as text and JSON": ({ incoming }) => [String(incoming({})), JSON.stringify(incoming({}))],
  "Request: properties of an app's own": ({ incoming }) => {
    const request = Object.assign(incoming({}), { params: { id: "1" } });
    return [request.params, Object.keys(request)];
  },
  "fetch: of a request": async ({ incoming }) => {
    const response = await fetch(new Request("data:text/plain,hello"));
    return [await response.text(), await kind(() => fetch(incoming({ url: "http://localhost:1/" })))];
  },
  "fetch: of an aborted request": ({ incoming }) =>
    attempt(() =>
      fetch(incoming({ url: "http://localhost:1/", signal: AbortSignal.abort(new Error("gone")) })),
    ),
  "fetch: of a used request": async ({ incoming }) => {
    const request = incoming(POST);
    await request.text();
    return kind(() => fetch(request));
  },
};
