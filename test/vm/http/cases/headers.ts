import { inspect } from "node:util";
import { attempt, type Cases, kind } from "./case.ts";

const loose = (value: unknown) => value as HeadersInit;
type HeadersInit = ConstructorParameters<typeof Headers>[0];

export const headersCases: Cases = {
  "Headers: made of nothing": () => [...new Headers()],
  "Headers: made of undefined": () => [...new Headers(undefined)],
  "Headers: null is refused": () => new Headers(loose(null)),
  "Headers: a number is refused": () => new Headers(loose(1)),
  "Headers: a text is refused": () => new Headers(loose("a: b")),
  "Headers: made of a record": () => [...new Headers({ "X-B": "2", "x-a": "1" })],
  "Headers: values of a record become text": () => [
    ...new Headers(loose({ a: 1, b: true, c: null, d: undefined })),
  ],
  "Headers: names of a record that differ in case are joined": () => [...new Headers({ a: "1", A: "2" })],
  "Headers: a symbol as a name is refused": () => kind(() => new Headers(loose({ [Symbol("a")]: "1" }))),
  "Headers: inherited properties of a record do not count": () => [...new Headers(Object.create({ a: "1" }))],
  "Headers: made of pairs": () => [
    ...new Headers([
      ["b", "1"],
      ["a", "2"],
      ["B", "3"],
    ]),
  ],
  "Headers: made of a Map": () => [...new Headers(loose(new Map([["a", "1"]])))],
  "Headers: made of Headers": () => {
    const first = new Headers([
      ["set-cookie", "a"],
      ["set-cookie", "b"],
      ["X", "y"],
    ]);
    const second = new Headers(first);
    first.set("x", "z");
    return [[...second], second.getSetCookie()];
  },
  "Headers: made of a generator": () => [
    ...new Headers(
      loose(
        (function* () {
          yield ["a", "1"];
          yield new Set(["b", "2"]);
        })(),
      ),
    ),
  ],
  "Headers: a pair of one or three is refused": async () => [
    await attempt(() => new Headers(loose([["a"]]))),
    await attempt(() => new Headers(loose([["a", "b", "c"]]))),
  ],
  "Headers: a pair that is no list is refused": async () => [
    await kind(() => new Headers(loose([1]))),
    await kind(() => new Headers(loose(["ab"]))),
    await kind(() => new Headers(loose([null]))),
    await kind(() => new Headers(loose([{}]))),
  ],
  "Headers: invalid names are refused": () =>
    Promise.all(
      ["", " ", "a b", "a:b", "ä", "a\r\nb", "(", "K"].map((name) =>
        Promise.all([
          attempt(() => new Headers().append(name, "x")),
          attempt(() => new Headers().set(name, "x")),
          attempt(() => new Headers().get(name)),
          attempt(() => new Headers().has(name)),
          attempt(() => new Headers().delete(name)),
          attempt(() => new Headers([[name, "x"]])),
        ]),
      ),
    ),
  "Headers: the Kelvin sign is no k": () => attempt(() => new Headers({ k: "1" }).get("\u212a")),
  "Headers: invalid values are refused": () =>
    Promise.all(
      ["a\rb", "a\nb", "a\0b", "Ā", "\u{1f600}"].map((value) =>
        Promise.all([
          attempt(() => new Headers().append("a", value)),
          attempt(() => new Headers().set("a", value)),
          attempt(() => new Headers({ a: value })),
        ]),
      ),
    ),
  "Headers: odd values that are allowed": () =>
    ["", "\x01", "\x7f", "ÿ", "a\tb", "a  b", " a ", "\t\r\n a\r\n"].map((value) => [
      ...new Headers({ a: value }),
    ]),
  "Headers: names and values that are no text": async () => {
    const headers = new Headers();
    headers.append(1 as unknown as string, 2 as unknown as string);
    headers.set(null as unknown as string, undefined as unknown as string);
    return [...headers, headers.get(1 as unknown as string), headers.has(null as unknown as string)];
  },
  "Headers: symbols are refused": async () => [
    await kind(() => new Headers().get(Symbol("a") as unknown as string)),
    await kind(() => new Headers().append("a", Symbol("a") as unknown as string)),
  ],
  "Headers: too few arguments": async () => {
    const headers = new Headers() as unknown as Record<string, (...args: unknown[]) => unknown>;
    const tries = [];
    for (const name of ["append", "set", "get", "has", "delete", "forEach"]) {
      tries.push(await attempt(() => headers[name]!()));
      tries.push(await attempt(() => headers[name]!("a")));
    }
    return tries;
  },
  "Headers: get, has and delete in any case": () => {
    const headers = new Headers({ "Content-Type": "a" });
    const before = [
      headers.get("CONTENT-TYPE"),
      headers.has("content-Type"),
      headers.get("b"),
      headers.has("b"),
    ];
    headers.delete("cONTENT-TYPE");
    headers.delete("b");
    return [before, headers.get("content-type"), headers.has("content-type")];
  },
  "Headers: append joins, set replaces": () => {
    const headers = new Headers({ a: "1" });
    headers.append("A", "2");
    headers.append("a", "");
    const joined = headers.get("a");
    headers.set("A", " 3 ");
    return [joined, headers.get("a"), [...headers]];
  },
  "Headers: cookies of a request are joined by semicolons": () =>
    new Headers([
      ["cookie", "a=1"],
      ["Cookie", "b=2"],
    ]).get("cookie"),
  "Headers: Set-Cookie stays one by one": () => {
    const headers = new Headers([
      ["Set-Cookie", "a=1"],
      ["x", "y"],
      ["set-cookie", "b=2, c=3"],
      ["SET-COOKIE", "d"],
    ]);
    const first = [
      [...headers],
      headers.get("set-cookie"),
      headers.getSetCookie(),
      headers.has("set-cookie"),
    ];
    headers.append("set-cookie", "e");
    const second = headers.getSetCookie();
    headers.set("Set-Cookie", "f");
    const third = [[...headers], headers.getSetCookie()];
    headers.delete("set-cookie");
    return [first, second, third, [...headers], headers.getSetCookie(), headers.get("set-cookie")];
  },
  "Headers: what getSetCookie gives is a copy": () => {
    const headers = new Headers({ "set-cookie": "a" });
    headers.getSetCookie().push("b");
    return headers.getSetCookie();
  },
  "Headers: an empty Set-Cookie": () => {
    const headers = new Headers([
      ["set-cookie", ""],
      ["set-cookie", ""],
    ]);
    return [headers.getSetCookie(), [...headers], headers.get("set-cookie")];
  },
  "Headers: iteration is sorted": () => {
    const headers = new Headers([
      ["z", "1"],
      ["a", "2"],
      ["M", "3"],
      ["a-b", "4"],
      ["ab", "5"],
    ]);
    return [[...headers], [...headers.keys()], [...headers.values()], [...headers.entries()]];
  },
  "Headers: many fields": () => {
    const headers = new Headers();
    for (let i = 0; i < 100; i++) headers.append(`X-${(i * 37) % 50}`, String(i));
    for (let i = 0; i < 50; i += 3) headers.delete(`x-${i}`);
    headers.append("x-0", "again");
    headers.set("X-1", "set");
    return [[...headers], headers.get("x-0"), headers.get("X-1"), headers.has("x-3"), inspect(headers)];
  },
  "Headers: iteration sees what changes on the way": () => {
    const headers = new Headers([
      ["b", "1"],
      ["c", "2"],
    ]);
    const seen: unknown[] = [];
    for (const [name] of headers) {
      seen.push(name);
      if (name === "b") headers.append("d", "3");
      if (name === "c") headers.append("a", "4");
      if (seen.length > 10) break;
    }
    return seen;
  },
  "Headers: forEach sees what changes on the way": () => {
    const headers = new Headers([
      ["b", "1"],
      ["c", "2"],
    ]);
    const seen: string[] = [];
    headers.forEach((value, name) => {
      seen.push(name, value);
      if (name === "b") headers.delete("c");
      if (name === "b") headers.append("d", "3");
    });
    return seen;
  },
  "Headers: forEach gives value, name, headers and this": () => {
    const headers = new Headers({ a: "1" });
    let seen: unknown[] = [];
    headers.forEach(function (this: unknown, value, name, other) {
      seen = [value, name, other === headers, this];
    }, "me");
    return seen;
  },
  "Headers: forEach without a function": () =>
    attempt(() => new Headers().forEach(1 as unknown as () => void)),
  "Headers: the iterator": () => {
    const iterator = new Headers({ a: "1" }).entries();
    const own = Object.getPrototypeOf(iterator);
    return [
      Object.prototype.toString.call(iterator),
      Object.getOwnPropertyNames(own),
      Object.getPrototypeOf(own) === Iterator.prototype,
      iterator[Symbol.iterator]() === iterator,
      iterator.next(),
      iterator.next(),
      iterator.next(),
    ];
  },
  "Headers: next of an iterator on something else": () =>
    kind(() => (Object.getPrototypeOf(new Headers().keys()).next as () => unknown).call({})),
  "Headers: entries and the iterator are one": () =>
    Headers.prototype.entries === Headers.prototype[Symbol.iterator],
  "Headers: methods on something else are refused": () =>
    Promise.all(
      ["append", "delete", "get", "has", "set", "getSetCookie", "keys", "values", "entries", "forEach"].map(
        (name) => kind(() => Reflect.apply(Reflect.get(Headers.prototype, name), {}, ["a", "b"])),
      ),
    ),
  "Headers: inspected": () => {
    const headers = new Headers([
      ["B", "1"],
      ["a", "2"],
      ["set-cookie", "x"],
      ["Set-Cookie", "y"],
    ]);
    return [inspect(headers), inspect({ in: { headers } }), inspect(new Headers())];
  },
  "Headers: not cloneable": () => attempt(() => structuredClone(new Headers({ a: "1" }))),
  "Headers: as text and as JSON": () => [String(new Headers()), JSON.stringify(new Headers({ a: "1" }))],
  "Headers: a subclass": () => {
    class Own extends Headers {
      extra() {
        return this.get("a");
      }
    }
    const own = new Own({ a: "1" });
    return [own.extra(), own instanceof Headers, own.constructor === Own, [...own]];
  },
  "Headers: called without new": () => kind(() => (Headers as unknown as () => unknown)()),
};
