// Reads text with variables, as in `https://{host}{uri}`; `{{` stands for a literal brace. Runs anywhere.

import { TEMPLATE_VARIABLES, type Template, type TemplateVariable } from "../core/template.ts";
import { quote } from "./problem.ts";
import { nearest } from "./suggest.ts";

const PIECE = /\{\{|\{([^{}]*)(\})?|[^{]+/g;

export type TemplateResult = { readonly template: Template } | { readonly problem: string };

export function parseTemplate(text: string): TemplateResult {
  const template: Array<string | { variable: TemplateVariable }> = [];
  let literal = "";
  for (const [piece, name, end] of text.matchAll(PIECE)) {
    if (name === undefined) {
      literal += piece === "{{" ? "{" : piece;
      continue;
    }
    if (end === undefined)
      return { problem: `expected a closing brace after ${quote(piece)} ({{ for a literal brace)` };
    if (!isVariable(name)) return { problem: `there is no variable {${name}}: ${variablesLike(name)}` };
    if (literal !== "") template.push(literal);
    template.push({ variable: name });
    literal = "";
  }
  if (literal !== "") template.push(literal);
  return { template };
}

function isVariable(name: string): name is TemplateVariable {
  return (TEMPLATE_VARIABLES as readonly string[]).includes(name);
}

function variablesLike(name: string): string {
  const meant = nearest(name, TEMPLATE_VARIABLES);
  if (meant !== null) return `did you mean {${meant}}?`;
  return `expected one of ${TEMPLATE_VARIABLES.map((variable) => `{${variable}}`).join(", ")}`;
}
