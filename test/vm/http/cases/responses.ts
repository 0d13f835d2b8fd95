import { inspect } from "node:util";
import { attempt, type Cases, isStable, kind } from "./case.ts";

type Init = ConstructorParameters<typeof Response>[1];
const loose = (value: unknown) => value as Init;

function shown(response: Response): unknown[] {
  const { status, statusText, ok, type, url, redirected, bodyUsed, headers, body } = response;
  return [status, statusText, ok, type, url, redirected, bodyUsed, [...headers], body === null];
}

export const responseCases: Cases = {
  "Response: of nothing": () => shown(new Response()),
  "Response: of null and undefined": () => [shown(new Response(null)), shown(new Response(undefined))],
  "Response: of a text": () => shown(new Response("hello")),
  "Response: of an empty text": async () => [shown(new Response("")), await new Response("").text()],
  "Response: of bytes": () => shown(new Response(new Uint8Array([1, 2]))),
  "Response: with status, text and fields": () =>
    shown(new Response("x", { status: 404, statusText: "Nope", headers: { A: "b", "Content-Type": "c/d" } })),
  "Response: init of null": () => shown(new Response("x", loose(null))),
  "Response: init of another kind is refused": async () => [
    await kind(() => new Response("x", loose(1))),
    await kind(() => new Response("x", loose("x"))),
    await kind(() => new Response("x", loose(true))),
    await kind(
      () =>
        new Response(
          "x",
          loose(() => {}),
        ),
    ),
  ],
  "Response: init is another Response": () =>
    shown(
      new Response(
        "y",
        loose(
          new Response("x", {
            status: 201,
            statusText: "S",
            headers: [
              ["set-cookie", "1"],
              ["set-cookie", "2"],
            ],
          }),
        ),
      ),
    ),
  "Response: statuses": () =>
    Promise.all(
      [
        200,
        299,
        300,
        599,
        199,
        600,
        0,
        100,
        101,
        -1,
        1e9,
        65736,
        NaN,
        Infinity,
        200.9,
        "201",
        "x",
        null,
        undefined,
        true,
        {},
      ].map((status) => attempt(() => new Response(null, loose({ status })).status)),
    ),
  "Response: a status is no symbol or bigint": async () => [
    await kind(() => new Response(null, loose({ status: Symbol("a") }))),
    await kind(() => new Response(null, loose({ status: 200n })).status),
  ],
  "Response: statuses without a body": () =>
    Promise.all(
      [204, 205, 304].flatMap((status) => [
        attempt(() => shown(new Response(null, { status }))),
        attempt(() => shown(new Response("", { status }))),
        attempt(() => shown(new Response(new ReadableStream(), { status }))),
        attempt(() => shown(Response.json(1, { status }))),
      ]),
    ),
  "Response: status texts": () =>
    Promise.all(
      ["", "OK", "a\tb", "ÿ", "\n", "a\rb", "\x7f", "Ā", 1, null, undefined, {}].map((statusText) =>
        attempt(() => new Response(null, loose({ statusText })).statusText),
      ),
    ),
  "Response: fields of every form": () => [
    [...new Response(null, { headers: new Headers({ a: "1" }) }).headers],
    [
      ...new Response(null, {
        headers: [
          ["a", "1"],
          ["a", "2"],
        ],
      }).headers,
    ],
    [...new Response(null, loose({ headers: new Map([["a", "1"]]) })).headers],
    [...new Response(null, loose({ headers: undefined })).headers],
  ],
  "Response: fields of null are refused": () => attempt(() => new Response(null, loose({ headers: null }))),
  "Response: invalid fields are refused": async () => [
    await attempt(() => new Response(null, { headers: { "a b": "c" } })),
    await attempt(() => new Response(null, { headers: { a: "b\r\nc" } })),
  ],
  "Response: the init is read in order": () => {
    const read: string[] = [];
    const init = {
      get status() {
        read.push("status");
        return 201;
      },
      get statusText() {
        read.push("statusText");
        return "x";
      },
      get headers() {
        read.push("headers");
        return {};
      },
    };
    new Response("x", init);
    return read;
  },
  "Response: a content type of its own": () => [
    [...new Response("x", { headers: { "content-type": "" } }).headers],
    [...new Response(new URLSearchParams("a=b")).headers],
    [...new Response(new Blob(["x"], { type: "text/CSS" })).headers],
    [...new Response(new Blob(["x"])).headers],
    [...new Response(1 as unknown as string).headers],
    [...new Response({} as unknown as string).headers],
  ],
  "Response: headers are one object and can be changed": () => {
    const response = new Response("x");
    response.headers.set("content-type", "a/b");
    response.headers.append("x", "y");
    response.headers.delete("none");
    return [isStable(() => response.headers), [...response.headers]];
  },
  "Response: the fields given are a copy": () => {
    const headers = new Headers({ a: "1" });
    const response = new Response(null, { headers });
    headers.set("a", "2");
    return response.headers.get("a");
  },
  "Response.json": async () => [
    shown(Response.json({ a: [1, "ü"] })),
    await Response.json({ a: [1, "ü"] }).text(),
    shown(Response.json(null, { status: 201, statusText: "C", headers: { a: "b" } })),
    shown(Response.json("x", { headers: { "content-type": "application/problem+json" } })),
    shown(Response.json(1, loose(null))),
    await Response.json({ toJSON: () => "t" }).json(),
  ],
  "Response.json: what is no JSON": async () => {
    const circular: { self?: unknown } = {};
    circular.self = circular;
    return [
      await attempt(() => Response.json(undefined)),
      await attempt(() => Response.json(() => {})),
      await attempt(() => Response.json(Symbol("a"))),
      await kind(() => Response.json(circular)),
      await kind(() => Response.json(1n)),
      await attempt(() => (Response.json as () => unknown)()),
    ];
  },
  "Response.redirect": async () => [
    shown(Response.redirect("http://a/b c?d#e")),
    shown(Response.redirect(new URL("https://a"), 308)),
    await attempt(() => Response.redirect("/relative")),
    await attempt(() => Response.redirect("")),
    await attempt(() => (Response.redirect as () => unknown)()),
  ],
  "Response.redirect: statuses": () =>
    Promise.all(
      [301, 302, 303, 307, 308, 300, 304, 200, 0, 999].map((status) =>
        attempt(() => Response.redirect("http://a/", status as 301).status),
      ),
    ),
  "Response.redirect: the headers cannot be changed": async () => {
    const { headers } = Response.redirect("http://a/");
    return [
      await attempt(() => headers.set("a", "b")),
      await attempt(() => headers.append("a", "b")),
      await attempt(() => headers.delete("location")),
      await attempt(() => headers.delete("none")),
      await attempt(() => headers.set("a b", "c")),
      [...headers],
      await attempt(() => Response.redirect("http://a/").clone().headers.set("a", "b")),
      [...new Response(null, Response.redirect("http://a/")).headers],
    ];
  },
  "Response.error": async () => [
    shown(Response.error()),
    await attempt(() => Response.error().headers.set("a", "b")),
    shown(Response.error().clone()),
    await attempt(() => new Response(null, Response.error())),
    await Response.error().text(),
  ],
  "Response: clone": async () => {
    const response = new Response("hello", { status: 201, headers: { a: "b" } });
    const clone = response.clone();
    clone.headers.set("a", "c");
    return [
      shown(response),
      shown(clone),
      await response.text(),
      await clone.text(),
      response.bodyUsed,
      clone.bodyUsed,
    ];
  },
  "Response: clone of a used one": async () => {
    const response = new Response("hello");
    await response.text();
    return attempt(() => response.clone());
  },
  "Response: clone of a clone, of null, after its stream": async () => {
    const response = new Response("hello");
    const stream = response.body;
    const clone = response.clone();
    const third = clone.clone();
    return [
      stream!.locked,
      response.body === stream,
      await Promise.all([response.text(), clone.text(), third.text()]),
      shown(new Response(null).clone()),
    ];
  },
  "Response: inspected": async () => {
    const response = new Response("x", { headers: { A: "b" } });
    const used = new Response("x");
    await used.text();
    return [
      inspect(response),
      inspect(used),
      inspect({ deep: { in: new Response(null) } }, { depth: 4 }),
      inspect(Response.redirect("http://a/")),
      inspect(response, { colors: false, depth: 0 }),
      inspect(response, { depth: null }),
    ];
  },
  "Response: as text and JSON": () => [String(new Response()), JSON.stringify(new Response("x"))],
};
