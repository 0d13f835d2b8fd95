// Text with variables, filled in per request: the target of a redirect, a rewritten path. Data threads.

/** Literal text and variables in turn: `["https://", { variable: "host" }, …]`. */
export type Template = ReadonlyArray<string | { readonly variable: TemplateVariable }>;

/** `uri` is path and query; `query` has its `?` or is empty. */
export const TEMPLATE_VARIABLES = ["scheme", "host", "path", "query", "uri"] as const;
export type TemplateVariable = (typeof TEMPLATE_VARIABLES)[number];

export interface TemplateValues {
  readonly scheme: string;
  readonly host: string;
  readonly path: string;
  /** With its `?`, or empty. */
  readonly query: string;
}

/** Values go in as they are: a canonical path and a checked host hold nothing that could end a header field. */
export function renderTemplate(template: Template, values: TemplateValues): string {
  let text = "";
  for (let i = 0; i < template.length; i++) {
    const part = template[i]!;
    if (typeof part === "string") text += part;
    else if (part.variable === "uri") text += values.path + values.query;
    else text += values[part.variable];
  }
  return text;
}
