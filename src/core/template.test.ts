// What a template becomes. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ClientTls } from "./exchange.ts";
import { HeaderList } from "./headers.ts";
import { renderTemplate, TEMPLATE_VARIABLES, type Template, type TemplateSource } from "./template.ts";

const headers = new HeaderList();
headers.add("User-Agent", "curl/8");
const REQUEST = {
  method: "GET",
  host: "a.test",
  authority: "a.test:8080",
  path: "/x/y",
  query: "?q=1",
  headers,
};
const SOURCE: TemplateSource = {
  scheme: "http",
  clientAddress: "192.0.2.1",
  user: "Jürgen",
  route: "web",
  request: REQUEST,
  client: { tls: null },
};
const TLS: ClientTls = {
  version: "TLSv1.3",
  cipher: "TLS_AES_128_GCM_SHA256",
  serverName: "a.test",
  subject: "CN=client",
  fingerprint: "0a1b",
  verified: true,
};

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
    it(`renders ${title}`, () => assert.equal(renderTemplate(template, SOURCE), text));
  }

  it("renders uri as the path alone where there is no query", () => {
    const source = { ...SOURCE, request: { ...REQUEST, query: "" } };
    assert.equal(renderTemplate([{ variable: "uri" }], source), "/x/y");
  });

  it("does not read variables in values", () => {
    assert.equal(renderTemplate([{ variable: "path" }], SOURCE, "/{host}"), "/{host}");
  });

  it("renders fields of the request, and nothing for one that is not there", () => {
    assert.equal(renderTemplate([{ field: "user-agent" }, "|", { field: "referer" }], SOURCE), "curl/8|");
  });

  it("renders the host without port where the request names no authority", () => {
    const source = { ...SOURCE, request: { ...REQUEST, authority: "" } };
    assert.equal(renderTemplate([{ variable: "host" }], source), "a.test");
  });

  it("knows every variable, of TLS and without", () => {
    const texts = (source: TemplateSource) =>
      TEMPLATE_VARIABLES.slice(5).map((variable) => renderTemplate([{ variable }], source));
    assert.deepEqual(texts(SOURCE), [
      "GET",
      "192.0.2.1",
      "UTF-8''J%C3%BCrgen",
      "web",
      "",
      "",
      "",
      "",
      "false",
    ]);
    const { version, cipher, subject, fingerprint } = TLS;
    const known = [
      "GET",
      "192.0.2.1",
      "UTF-8''J%C3%BCrgen",
      "web",
      version,
      cipher,
      subject,
      fingerprint,
      "true",
    ];
    assert.deepEqual(texts({ ...SOURCE, client: { tls: TLS } }), known);
  });
});
