// Reads text with variables, as in `https://{host}{uri}`; `{{` stands for a literal brace. Runs anywhere.

import { ADDRESS_VARIABLES, TEMPLATE_VARIABLES, type Template, type TemplatePart } from "../core/template.ts";
import { quote } from "./problem.ts";
import { nearest } from "./suggest.ts";

const FIELD = /^header:([!#$%&'*+.^_`|~0-9A-Za-z-]+)$/;
const PIECE = /\{\{|\{([^{}]*)(\})?|[^{]+/g;

export type TemplateResult = { readonly template: Template } | { readonly problem: string };

/** `kind` says what the text becomes: only an address has no use for everything else that is known of a request. */
export function parseTemplate(text: string, kind: "address" | "field" = "address"): TemplateResult {
  const variables = kind === "address" ? ADDRESS_VARIABLES : TEMPLATE_VARIABLES;
  const template: Array<string | TemplatePart> = [];
  let literal = "";
  for (const [piece, name, end] of text.matchAll(PIECE)) {
    if (name === undefined) {
      literal += piece === "{{" ? "{" : piece;
      continue;
    }
    if (end === undefined)
      return { problem: `expected a closing brace after ${quote(piece)} ({{ for a literal brace)` };
    const field = kind === "field" ? FIELD.exec(name)?.[1] : undefined;
    const variable = variables.find((known) => known === name);
    if (variable === undefined && field === undefined)
      return { problem: `there is no variable {${name}}: ${variablesLike(name, variables)}` };
    if (literal !== "") template.push(literal);
    template.push(variable === undefined ? { field: field!.toLowerCase() } : { variable });
    literal = "";
  }
  if (literal !== "") template.push(literal);
  return { template };
}

function variablesLike(name: string, variables: readonly string[]): string {
  const meant = nearest(name, variables);
  if (meant !== null) return `did you mean {${meant}}?`;
  return `expected one of ${variables.map((variable) => `{${variable}}`).join(", ")}`;
}
