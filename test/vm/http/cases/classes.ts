import { types } from "node:util";
import { attempt, type Cases, kind } from "./case.ts";

/** Ours, one that a slip in Node's own class has left on its prototype, and one that says only that it is a class. */
const LEFT_OUT = ["webSocket", "attribute", "prototype"];
const SYMBOLS = [Symbol.toStringTag, Symbol.iterator];

function shapeOf(target: object): unknown[] {
  return Object.getOwnPropertyNames(target)
    .filter((key) => !LEFT_OUT.includes(key))
    .map((key) => {
      const { value, get, set, ...flags } = Object.getOwnPropertyDescriptor(target, key)!;
      return [key, typeof value, typeof get, typeof set, (value as { length?: number })?.length, flags];
    });
}

export const classCases: Cases = {
  "classes: names, lengths and descriptors": () =>
    [Headers, Request, Response].map((type) => [
      type.name,
      type.length,
      shapeOf(type),
      shapeOf(type.prototype).toSorted(),
      Object.keys(type.prototype)
        .filter((key) => !LEFT_OUT.includes(key))
        .toSorted(),
      SYMBOLS.map((symbol) => Object.getOwnPropertyDescriptor(type.prototype, symbol)),
    ]),
  "classes: globals": () =>
    ["Headers", "Request", "Response", "fetch"].map((name) => {
      const { value, ...flags } = Object.getOwnPropertyDescriptor(globalThis, name)!;
      return [name, typeof value, value.name, value.length, flags];
    }),
  "classes: tags": ({ incoming }) =>
    [new Headers(), incoming({}), new Response()].map((object) => [
      Object.prototype.toString.call(object),
      object.constructor.name,
      Object.getPrototypeOf(object) === object.constructor.prototype,
    ]),
  "classes: no property of their own": ({ incoming }) =>
    [new Headers(), incoming({}), new Response()].map((object) => [
      Reflect.ownKeys(object).filter((key) => typeof key === "string"),
      { ...object },
      Object.isExtensible(object),
      types.isProxy(object),
    ]),
  "classes: for ... in": ({ incoming }) =>
    [new Headers(), incoming({}), new Response()].map((object) => {
      const keys: string[] = [];
      for (const key in object) if (!LEFT_OUT.includes(key)) keys.push(key);
      return keys.toSorted();
    }),
  "classes: attributes cannot be set": async ({ incoming }) => [
    await kind(() => Object.assign(incoming({}), { url: "x" })),
    await kind(() => Object.assign(new Response(), { status: 1 })),
  ],
  "classes: attributes on something else are refused": () =>
    Promise.all(
      [Request, Response].flatMap((type) =>
        Object.entries(Object.getOwnPropertyDescriptors(type.prototype))
          .filter(([name, { get }]) => get !== undefined && !LEFT_OUT.includes(name))
          .toSorted()
          .map(async ([name, { get }]) => [name, await kind(() => get!.call({}))]),
      ),
    ),
  "classes: methods on something else are refused": () =>
    Promise.all(
      [Request, Response].flatMap((type) =>
        ["clone", "text", "json", "bytes", "arrayBuffer", "blob", "formData"].map((name) => {
          const method: () => unknown = Reflect.get(type.prototype, name);
          let isPromise = false;
          return kind(() => {
            const result = method.call({});
            isPromise = types.isPromise(result);
            return result;
          }).then((outcome) => [name, isPromise, outcome]);
        }),
      ),
    ),
  "classes: called without new": () =>
    Promise.all(
      [Request, Response].map((type) => kind(() => Reflect.apply(type as never, undefined, ["http://a/"]))),
    ),
  "classes: subclasses": () => {
    class OwnRequest extends Request {
      get path() {
        return new URL(this.url).pathname;
      }
    }
    class OwnResponse extends Response {
      constructor(text: string) {
        super(text, { status: 201 });
      }
    }
    const request = new OwnRequest("http://a/b");
    const response = new OwnResponse("x");
    return [
      request.path,
      request instanceof Request,
      request.constructor === OwnRequest,
      response.status,
      response instanceof Response,
      Object.getPrototypeOf(response) === OwnResponse.prototype,
      response.clone() instanceof OwnResponse,
      OwnResponse.json(1) instanceof OwnResponse,
    ];
  },
  "classes: a property of the prototype that an app adds": async () => {
    Object.defineProperty(Response.prototype, "extra", { get: () => 1, configurable: true });
    const seen = [Reflect.get(new Response(), "extra"), Reflect.get(await fetch("data:,x"), "extra")];
    Reflect.deleteProperty(Response.prototype, "extra");
    return seen;
  },
  "classes: none can be cloned by structuredClone": async ({ incoming }) => [
    await attempt(() => structuredClone(incoming({}))),
    await attempt(() => structuredClone(new Response())),
    await attempt(() => structuredClone({ deep: new Response() })),
  ],
  "classes: instanceof for a response of fetch": async () => {
    const response = await fetch("data:text/plain,hello");
    return [
      response instanceof Response,
      response.headers instanceof Headers,
      response.constructor === Response,
      response.headers.constructor === Headers,
      response.clone() instanceof Response,
      await attempt(() => response.headers.set("a", "b")),
      await response.text(),
    ];
  },
  "classes: a response made from one of fetch": async () => {
    const first = await fetch("data:text/plain,hello");
    const second = new Response(first.body, first);
    second.headers.set("x", "y");
    return [
      second.status,
      second.statusText,
      [...second.headers],
      second.type,
      second.url,
      await second.text(),
      first.bodyUsed,
    ];
  },
};
