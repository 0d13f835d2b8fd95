// After cases of web-platform-tests (fetch/api), as far as they are about more than the other tables.
import { attempt, type Cases, kind } from "./case.ts";

type HeadersInit = ConstructorParameters<typeof Headers>[0];
type BodyInit = ConstructorParameters<typeof Response>[0];

const FORM_TYPE = "application/x-www-form-urlencoded";

function asHeaders(value: unknown): HeadersInit {
  return value as HeadersInit;
}

export const wptCases: Cases = {
  "headers-basic: Headers with an iterator of their own": () => {
    const headers = new Headers({ foo: "bar" });
    Reflect.set(headers, Symbol.iterator, function* () {
      yield ["test", "test"];
    });
    return [...new Headers(asHeaders(headers)).entries()];
  },
  "headers-basic: forEach runs in order and stops at what is thrown": () => {
    const seen: string[] = [];
    return attempt(() =>
      new Headers([
        ["c", "1"],
        ["a", "2"],
        ["b", "3"],
      ]).forEach((_value, name) => {
        seen.push(name);
        if (name === "b") throw new Error(seen.join());
      }),
    );
  },
  "headers-basic: a pair made of an object that can be iterated": () => [
    ...new Headers(
      asHeaders([
        new Set(["a", "b"]),
        {
          *[Symbol.iterator]() {
            yield "c";
            yield "d";
          },
        },
      ]),
    ),
  ],
  "headers-casing": () => {
    const headers = new Headers({ nAmE1: "a", NAME2: "b" });
    headers.append("NaMe1", "c");
    headers.set("name2", "D");
    return [headers.get("NAME1"), headers.get("name2"), headers.has("nAME2"), [...headers.keys()]];
  },
  "headers-combine": () => {
    const headers = new Headers([
      ["single", "a"],
      ["double", "b"],
      ["double", "c"],
      ["triple", "d"],
      ["TRIPLE", "e"],
      ["triple", ""],
    ]);
    headers.append("single", "");
    return [...headers];
  },
  "headers-errors: from every wrong init": () =>
    Promise.all(
      [
        [["invalidĀ", "a"]],
        [["a", "invalidĀ"]],
        [[""]],
        [["a", "b"], ["c"]],
        { invalidĀ: "a" },
        { a: "invalidĀ" },
        "a",
        1,
        true,
        Symbol("a"),
        () => {},
      ].map((init) =>
        kind(() =>
          [...new Headers(asHeaders(init))].filter(([name]) => name !== "length" && name !== "name"),
        ),
      ),
    ),
  "headers-normalize": () =>
    Promise.all(
      ["  a  ", "\ta\t", "\r\na\r\n", "\n\t a \t\n", "\u000ba", "\u00a0a\u00a0", "a\u0085", "\u2000"].map(
        (value) => kind(() => new Headers([["a", value]]).get("a")),
      ),
    ),
  "headers-record: a getter that throws": () =>
    attempt(
      () =>
        new Headers({
          get a(): string {
            throw new RangeError("mine");
          },
        }),
    ),
  "headers-record: values are read in order": () => {
    const read: string[] = [];
    new Headers({
      get b() {
        read.push("b");
        return "1";
      },
      get a() {
        read.push("a");
        return "2";
      },
    });
    return read;
  },
  "headers-record: toString of a value": () => [
    ...new Headers(asHeaders({ a: { toString: () => "mine" }, b: [1, 2] })),
  ],
  "header-setcookie: iteration while it changes": () => {
    const headers = new Headers([
      ["set-cookie", "a"],
      ["set-cookie", "b"],
      ["z", "1"],
    ]);
    const seen: unknown[] = [];
    for (const [name, value] of headers) {
      seen.push(`${name}=${value}`);
      if (value === "a") headers.append("set-cookie", "c");
      if (value === "c") headers.delete("set-cookie");
      if (seen.length > 8) break;
    }
    return seen;
  },
  "header-setcookie: names sort around them": () => [
    ...new Headers([
      ["sf", "1"],
      ["set-cookie", "b"],
      ["set-cookiea", "2"],
      ["set-cookie", "a"],
      ["set-cooki", "3"],
    ]),
  ],
  "header-setcookie: a record, and other Headers": () => [
    [...new Headers({ "set-cookie": "a", "Set-Cookie": "b" })],
    [
      ...new Headers(
        new Headers([
          ["set-cookie", "a"],
          ["Set-Cookie", "b"],
        ]),
      ),
    ],
    [
      ...new Response(null, {
        headers: [
          ["set-cookie", "a"],
          ["set-cookie", "b"],
        ],
      }).clone().headers,
    ],
  ],
  "request-consume-empty": ({ incoming }) =>
    Promise.all(
      (["text", "arrayBuffer", "bytes", "blob", "json", "formData"] as const).flatMap((reader) =>
        [
          incoming({}),
          new Request("http://a/", { method: "POST" }),
          new Request("http://a/", { method: "POST", body: "" }),
        ].map((request) => kind(async () => [await request[reader](), request.bodyUsed])),
      ),
    ),
  "request-disturbed: a request is not used by a new one that fails": async ({ incoming }) => {
    const request = incoming({ method: "POST", body: "hello" });
    const failed = await kind(() => new Request(request, { method: "GET" }));
    return [failed, request.bodyUsed, await request.text()];
  },
  "request-disturbed: nor by one with a body of its own": async ({ incoming }) => {
    const request = incoming({ method: "POST", body: "hello" });
    const { body } = request;
    new Request(request, { body: "other" });
    return [request.bodyUsed, body?.locked, await request.text()];
  },
  "request-disturbed: used by one that takes its body": async ({ incoming }) => {
    const request = incoming({ method: "POST", body: "hello" });
    new Request(request);
    return [
      request.bodyUsed,
      request.body?.locked,
      await attempt(() => request.arrayBuffer()),
      await attempt(() => request.clone()),
    ];
  },
  "request-headers: fields of an init take the place of those before": ({ incoming }) => {
    const request = incoming({
      headers: [
        ["a", "1"],
        ["b", "2"],
      ],
    });
    return [
      [...new Request(request, { headers: {} }).headers],
      [...new Request(request, { headers: { c: "3" } }).headers],
      [...request.headers],
    ];
  },
  "request-init-contenttype": () =>
    Promise.all(
      [
        null,
        "",
        "a",
        new Blob([]),
        new Blob([], { type: "a/b; c=d" }),
        new Uint8Array(),
        new DataView(new ArrayBuffer(1)),
        new URLSearchParams(),
      ].map((body) => [
        new Request("http://a/", { method: "POST", body: body as NonNullable<BodyInit> }).headers.get(
          "content-type",
        ),
        new Response(body as BodyInit).headers.get("content-type"),
        new Response(body as BodyInit, { headers: { "Content-Type": "own/type" } }).headers.get(
          "content-type",
        ),
      ]),
    ),
  "request-init-stream": async () => {
    const init = (body: unknown, more = {}) => ({
      method: "POST",
      body: body as NonNullable<BodyInit>,
      duplex: "half" as const,
      ...more,
    });
    const used = new ReadableStream();
    used.getReader();
    return [
      await kind(() => new Request("http://a/", init(used))),
      await kind(
        () =>
          new Request(new Request("http://a/", init(new ReadableStream())), init(new ReadableStream()))
            .bodyUsed,
      ),
      await kind(() => new Request("http://a/", init(new ReadableStream(), { duplex: undefined }))),
      await kind(() => new Request("http://a/", init("text", { duplex: undefined })).method),
      await kind(() => new Request("http://a/", init(new Blob(["a"]), { duplex: undefined })).method),
      await kind(
        () => new Request("http://a/", init((async function* () {})(), { duplex: undefined })).method,
      ),
    ];
  },
  "response-arraybuffer-realm: what comes is of this realm": async () => [
    (await new Response("a").arrayBuffer()) instanceof ArrayBuffer,
    (await new Response("a").bytes()) instanceof Uint8Array,
    (await new Response("a").blob()) instanceof Blob,
  ],
  "response-cancel-stream": async () => {
    let reason: unknown;
    const response = new Response(
      new ReadableStream({
        cancel(why) {
          reason = why;
        },
      }) as unknown as BodyInit,
    );
    await response.body!.cancel("enough");
    const locked = new Response("a");
    locked.body!.getReader();
    return [reason, response.bodyUsed, await kind(() => locked.body!.cancel())];
  },
  "response-clone: the original goes on after its clone was cancelled": async () => {
    const response = new Response("hello");
    // Settles only when both are.
    void response.clone().body!.cancel();
    return [response.bodyUsed, await response.text()];
  },
  "response-clone: of one that is locked": () => {
    const response = new Response("a");
    response.body!.getReader();
    return attempt(() => response.clone());
  },
  "response-consume-stream: releases nothing": async () => {
    const response = new Response("a");
    const { body } = response;
    const text = response.text();
    const states = [body!.locked, response.bodyUsed];
    await text;
    return [states, body!.locked, await kind(() => body!.getReader())];
  },
  "response-error: what is out of range": () =>
    Promise.all([0, 100, 199, 600, 1000].map((status) => kind(() => new Response("", { status })))),
  "response-static-json: text is UTF-8": async () => {
    const response = Response.json({ "𝌆": "𝌆" });
    return [[...(await response.clone().bytes())], await response.json()];
  },
  "response-static-json: toJSON and getters that throw": async () => [
    await attempt(() =>
      Response.json({
        toJSON() {
          throw new RangeError("mine");
        },
      }),
    ),
    await attempt(() =>
      Response.json({
        get a() {
          throw new RangeError("mine");
        },
      }),
    ),
  ],
  "response-stream-disturbed: each way to use it up": () =>
    Promise.all(
      (["text", "json", "arrayBuffer", "blob", "formData", "bytes"] as const).map(async (reader) => {
        const read = new Response("1", { headers: { "content-type": FORM_TYPE } });
        await read.body!.getReader().read();
        const cancelled = new Response("1");
        void cancelled.body!.cancel();
        return [await attempt(() => read[reader]()), await attempt(() => cancelled[reader]())];
      }),
    ),
  "json: a byte order mark, and empty text": async () => [
    await kind(() => new Response("\ufeff[1]").json()),
    await kind(() => new Response(new Uint8Array([0xef, 0xbb, 0xbf, 0x31])).json()),
    await kind(() => new Response("").json()),
    await kind(() => new Response("\ufeff").text()),
  ],
  "text-utf8: in pieces that cut characters": async ({ incoming }) => {
    const text = "三村かな子 😀 é";
    return [
      await incoming({ method: "POST", body: text }).text(),
      (await incoming({ method: "POST", body: Buffer.from(text).subarray(0, 4) }).text()).length,
    ];
  },
};
