// Templates: what is read, and what is refused. Runs in the test process.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Template } from "../core/template.ts";
import { parseTemplate } from "./parse-template.ts";

test("text and variables come in turn", () => {
  const cases: ReadonlyArray<readonly [string, Template]> = [
    ["", []],
    ["/plain", ["/plain"]],
    ["{uri}", [{ variable: "uri" }]],
    ["https://{host}{uri}", ["https://", { variable: "host" }, { variable: "uri" }]],
    [
      "{scheme}://{host}{path}{query}#top",
      [
        { variable: "scheme" },
        "://",
        { variable: "host" },
        { variable: "path" },
        { variable: "query" },
        "#top",
      ],
    ],
    ["/a{{b}{path}", ["/a{b}", { variable: "path" }]],
    ["{{{path}", ["{", { variable: "path" }]],
    ["a}b", ["a}b"]],
  ];
  for (const [text, template] of cases) assert.deepEqual(parseTemplate(text), { template }, text);
});

test("what is no variable is refused with the nearest one", () => {
  const cases: ReadonlyArray<readonly [string, string]> = [
    ["/{hots}", "there is no variable {hots}: did you mean {host}?"],
    [
      "/{remote_address}",
      "there is no variable {remote_address}: expected one of {scheme}, {host}, {path}, {query}, {uri}",
    ],
    ["/{}", "there is no variable {}: expected one of {scheme}, {host}, {path}, {query}, {uri}"],
    ["/{path", 'expected a closing brace after "{path" ({{ for a literal brace)'],
    ["/{", 'expected a closing brace after "{" ({{ for a literal brace)'],
  ];
  for (const [text, problem] of cases) assert.deepEqual(parseTemplate(text), { problem }, text);
});
