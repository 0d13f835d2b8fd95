import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FieldList } from "./field-list.ts";
import { isImmutable, LightHeaders, listOf } from "./headers.ts";

/** Few, and in several cases, so that they meet. */
const NAMES = ["a", "A", "B-c", "b-C", "cookie", "Cookie", "set-cookie", "Set-Cookie", "content-type", "z"];
const MANY_NAMES = Array.from({ length: 40 }, (_, i) => `X-${i}`);

const name = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...NAMES) },
  { weight: 4, arbitrary: fc.constantFrom(...MANY_NAMES) },
  { weight: 1, arbitrary: fc.string() },
);
const value = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("", "x", "a=1; b", " padded\t", "a, b") },
  { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
  {
    weight: 1,
    arbitrary: fc.string({ unit: fc.integer({ min: 0, max: 260 }).map((code) => String.fromCharCode(code)) }),
  },
);

type Step = (headers: Headers) => unknown;

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(name, value).map(
    ([name, value]): Step =>
      (headers) =>
        headers.append(name, value),
  ),
  fc.tuple(name, value).map(
    ([name, value]): Step =>
      (headers) =>
        headers.set(name, value),
  ),
  name.map(
    (name): Step =>
      (headers) =>
        headers.delete(name),
  ),
  name.map(
    (name): Step =>
      (headers) =>
        headers.get(name),
  ),
  name.map(
    (name): Step =>
      (headers) =>
        headers.has(name),
  ),
  fc.constant<Step>((headers) => headers.getSetCookie()),
  fc.constant<Step>((headers) => [...headers]),
);

function outcome(run: () => unknown): unknown {
  try {
    return { value: run() };
  } catch (error) {
    return { error: `${(error as Error).name}: ${(error as Error).message}` };
  }
}

function state(headers: Headers): unknown {
  return [[...headers], [...headers.keys()], headers.getSetCookie(), NAMES.map((name) => headers.get(name))];
}

const Light = LightHeaders as unknown as typeof Headers;

describe("a light Headers, beside a native one", () => {
  it("does the same over any steps", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const native = new Headers();
        const light = new Light();
        for (const step of steps)
          assert.deepEqual(
            outcome(() => step(light)),
            outcome(() => step(native)),
          );
        assert.deepEqual(state(light), state(native));
      }),
      { numRuns: 300 },
    );
  });

  // Which of several mistakes is named first is left open.
  it("is made of any pairs or records alike", () => {
    const made = (type: typeof Headers, init: [string, string][] | Record<string, string>) => {
      try {
        return state(new type(init));
      } catch (error) {
        return (error as Error).name;
      }
    };
    const init = fc.oneof(fc.array(fc.tuple(name, value)), fc.dictionary(name, value));
    fc.assert(
      fc.property(init, (init) => assert.deepEqual(made(Light, init), made(Headers, init))),
      { numRuns: 500 },
    );
  });

  it("reads the text of a request as a native one its pairs, whatever is asked first", () => {
    const token = fc.constantFrom(...NAMES, ...MANY_NAMES.slice(0, 20));
    const text = fc.constantFrom("", "x", "a: b", "a=1; b", "é");
    const pairs = fc.array(fc.tuple(token, text), { maxLength: 30 });
    fc.assert(
      fc.property(pairs, fc.array(step, { maxLength: 10 }), (pairs, steps) => {
        const native = new Headers(pairs);
        const lines = pairs.map(([name, value]) => `${name}: ${value}\r\n`).join("");
        const light = new LightHeaders(new FieldList(lines)) as unknown as Headers;
        for (const step of steps)
          assert.deepEqual(
            outcome(() => step(light)),
            outcome(() => step(native)),
          );
        assert.deepEqual(state(light), state(native));
      }),
      { numRuns: 500 },
    );
  });

  it("writes lines from which the same comes again", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const light = new LightHeaders();
        for (const step of steps) outcome(() => step(light as unknown as Headers));
        const again = new LightHeaders(new FieldList(listOf(light).lines()));
        assert.deepEqual([...again], [...light]);
      }),
    );
  });
});

describe("the list behind a light Headers", () => {
  it("is copied, not shared", () => {
    const list = new FieldList("a: 1\r\n");
    const copy = list.copy();
    list.append("b", "2");
    const second = list.copy();
    second.set("a", "3");
    assert.deepEqual(
      [copy.lines(), list.lines(), second.lines()],
      ["a: 1\r\n", "a: 1\r\nb: 2\r\n", "a: 3\r\nb: 2\r\n"],
    );
  });

  it("stays small work when it is long", () => {
    const list = new FieldList();
    for (let i = 0; i < 20_000; i++) list.append(`x-${i}`, "");
    assert.equal(list.has("x-19999"), true);
    const lines = list.lines();
    const read = new FieldList(lines);
    assert.equal(read.sorted().length, 20_000);
  });

  it("refuses text that the link cannot have meant", () => {
    assert.throws(() => new FieldList("a: b").get("a"), /expected it to end with CRLF/);
    assert.throws(() => new FieldList("a: b").cookies(), /expected it to end with CRLF/);
  });

  it("cannot be made immutable by an app", () => {
    const headers = Reflect.construct(LightHeaders, [{ a: "1" }, true]) as LightHeaders;
    assert.equal(isImmutable(headers), false);
  });
});
