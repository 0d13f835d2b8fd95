// How the event log looks, to programs and to people. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { createLog } from "./log.ts";

/** What is written by `say` to a stream that is a terminal or not. */
function written(isTTY: boolean, say: (log: ReturnType<typeof createLog>) => void): string {
  let text = "";
  const write = (line: string) => {
    text += line;
  };
  const stream: unknown = { isTTY, write, on: () => {}, getColorDepth: () => 8, hasColors: () => true };
  say(createLog(stream as NodeJS.WriteStream));
  return text;
}

describe("the event log", () => {
  it("is one JSON object per line, with the name of the level and the time", () => {
    const text = written(false, (log) => {
      log.warn({ code: "connect_failed", status: 502 }, "cannot connect");
      log.info("fine");
    });
    const [first, second, rest] = text.split("\n");
    const { time, ...fields } = JSON.parse(first!) as Record<string, unknown>;
    assert.deepEqual(fields, { level: "warn", msg: "cannot connect", code: "connect_failed", status: 502 });
    assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.deepEqual([JSON.parse(second!).level, rest], ["info", ""]);
  });

  it("is coloured text on a terminal", () => {
    const text = written(true, (log) => log.error({ route: "all" }, "went wrong"));
    assert.notEqual(text, stripVTControlCharacters(text));
    assert.match(stripVTControlCharacters(text), /^\d\d:\d\d:\d\d error went wrong {2}route="all"\n$/);
  });

  it("shows controls on a terminal, and never begins a line with what an app says", () => {
    const text = written(true, (log) => log.info({ app: "a" }, "one\x1b[2J\r\n12:00:00 error forged"));
    const plain = stripVTControlCharacters(text);
    assert.match(plain, /^\S+ info {2}one\\x1b\[2J\\x0d {2}app="a"\n {2}12:00:00 error forged\n$/);
  });

  it("has a stack below the line on a terminal", () => {
    const stack = "Error: no\n    at fetch (/app.ts:1:2)";
    const text = written(true, (log) => log.error({ app: "a", stack, vm: 1 }, "no"));
    assert.match(
      stripVTControlCharacters(text),
      /^\S+ error no {2}app="a" vm=1\n {2}Error: no\n {6}at fetch \(\/app\.ts:1:2\)\n$/,
    );
  });
});
