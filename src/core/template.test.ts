// What a template becomes. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { renderTemplate, type Template } from "./template.ts";

const VALUES = { scheme: "http", host: "a.test:8080", path: "/x/y", query: "?q=1" };

const CASES: ReadonlyArray<readonly [title: string, template: Template, text: string]> = [
  ["nothing", [], ""],
  ["literal text", ["/health"], "/health"],
  ["a lone variable", [{ variable: "path" }], "/x/y"],
  [
    "variables and text in turn",
    ["https://", { variable: "host" }, { variable: "uri" }],
    "https://a.test:8080/x/y?q=1",
  ],
  ["scheme and query", [{ variable: "scheme" }, "|", { variable: "query" }], "http|?q=1"],
  ["text that looks like a variable", ["{host}"], "{host}"],
];

describe("renderTemplate", () => {
  for (const [title, template, text] of CASES) {
    it(`renders ${title}`, () => assert.equal(renderTemplate(template, VALUES), text));
  }

  it("renders uri as the path alone where there is no query", () => {
    assert.equal(renderTemplate([{ variable: "uri" }], { ...VALUES, query: "" }), "/x/y");
  });

  it("does not read variables in values", () => {
    assert.equal(renderTemplate([{ variable: "path" }], { ...VALUES, path: "/{host}" }), "/{host}");
  });
});
