// The policy `error_pages`: what is sent instead of the body of an error. Files are read with the configuration, so what was
// checked is what is sent. Runs anywhere.

import { z } from "zod";
import { atKey, atValue, type Findings } from "../finding.ts";
import type { PemFiles } from "../pem-files.ts";
import { quote } from "../problem.ts";
import { entriesOf, hasMisspelt, isMapping } from "../settings.ts";
import type { SourceNode } from "../tree.ts";
import { fieldValue, text, textLike, truth } from "../values.ts";
import type { PolicyContext } from "./policy-context.ts";

/** What a page may say, as in `{status}`. Every other brace of a page means nothing: style sheets are full of them. */
const VARIABLES = ["status", "reason", "code", "method", "host", "path", "route", "client"] as const;
export type PageVariable = (typeof VARIABLES)[number];
const VARIABLE = new RegExp(`\\{(${VARIABLES.join("|")})\\}`);

export interface ErrorPagesSpec {
  readonly pages: readonly ErrorPage[];
  /** Index in `pages` by status, from 400 to 599; -1 for none. */
  readonly byStatus: readonly number[];
  /** Also for what backends answer. */
  readonly intercept: boolean;
}

export interface ErrorPage {
  /** Value of Content-Type. */
  readonly type: string;
  /** Lower case, without parameters. */
  readonly mediaType: string;
  /** Literal text and variables in turn. */
  readonly parts: ReadonlyArray<string | { readonly variable: PageVariable }>;
}

/** Every data thread has a copy of every page. */
const MOST_CHARACTERS = 1024 * 1024;

const HTML = "text/html; charset=utf-8";
const TYPES: Readonly<Record<string, string>> = {
  html: HTML,
  htm: HTML,
  json: "application/json",
  txt: "text/plain; charset=utf-8",
  xml: "application/xml",
  svg: "image/svg+xml",
};

const CONTENTS = ["file", "body"];
const EXPECTED = "expected a file, or a mapping with file or body";

const page = z.union(
  [
    text(EXPECTED),
    z.strictObject({
      file: text().optional().describe("File with the page."),
      body: text().optional().describe("The page itself."),
      content_type: fieldValue()
        .optional()
        .describe("Content-Type of the page. Without it, by the ending of the file, else HTML."),
    }),
  ],
  { error: EXPECTED },
);
type PageConfig = z.output<typeof page>;

export const errorPagesSchema = z
  .strictObject({
    enabled: truth().prefault(true).describe("`false` turns it off and keeps the section."),
    pages: z
      .record(textLike(/^(?:[45]\d\d|[45]xx)$/, "expected a status such as 404, or 4xx or 5xx"), page)
      .prefault({})
      .describe(
        "Pages by status, `404`, or for all others that begin alike, `5xx`: a file, or `file` or `body`.",
      ),
    intercept: truth()
      .prefault(false)
      .describe("Also in place of the errors of backends and of `respond`, not only of the gateway's own."),
  })
  .describe("Sends pages of your own for errors (docs/policies/error-pages.md).");

export function compileErrorPages(
  { pages, intercept }: z.output<typeof errorPagesSchema>,
  { files }: PolicyContext,
): ErrorPagesSpec {
  const names = Object.keys(pages);
  return {
    pages: names.map((name) => compilePage(pages[name]!, files)),
    byStatus: Array.from({ length: 200 }, (_, i) => {
      const exact = names.indexOf(`${400 + i}`);
      return exact < 0 ? names.indexOf(i < 100 ? "4xx" : "5xx") : exact;
    }),
    intercept,
  };
}

function compilePage(page: PageConfig, files: PemFiles): ErrorPage {
  const { file, body, content_type: type } = typeof page === "string" ? { file: page } : page;
  const content = file === undefined ? body! : files.text(file);
  const chosen = type ?? typeOf(file ?? "");
  // `split` gives text and the names in turn.
  const parts = content.split(VARIABLE).map((part, i) => {
    return i % 2 === 0 ? part : { variable: part as PageVariable };
  });
  return { type: chosen, mediaType: chosen.split(";")[0]!.trim().toLowerCase(), parts };
}

function typeOf(file: string): string {
  const ending = /\.([a-z]+)$/i.exec(file)?.[1]?.toLowerCase() ?? "";
  return Object.hasOwn(TYPES, ending) ? TYPES[ending]! : HTML;
}

export function* errorPagesProblems(policy: SourceNode, files: PemFiles): Findings {
  for (const [, page] of entriesOf(policy.children.get("pages"))) {
    const file = isMapping(page) ? page.children.get("file") : page;
    if (typeof file?.value === "string" && file.value !== "" && !file.broken) {
      const fault = files.fault(file.value, "TEXT") ?? sizeFault(files.text(file.value));
      if (fault !== null) yield atValue(file, `cannot use ${quote(file.value)}: ${fault}`);
    }
    if (!isMapping(page)) continue;
    const there = CONTENTS.filter((name) => page.children.has(name));
    if (there.length === 2 || (there.length === 0 && !hasMisspelt(page, CONTENTS)))
      yield atKey(page, 'cannot make a page of that: expected exactly one of "file" and "body"');
  }
}

function sizeFault(content: string): string | null {
  return content.length > MOST_CHARACTERS ? "expected a page of 1 mb at most" : null;
}
