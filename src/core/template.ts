// Text with variables, filled in per request: the target of a redirect, a rewritten path, a header field. Data threads.

import type { ClientTls, Exchange } from "./exchange.ts";
import { fieldText } from "./field-text.ts";

/** Literal text, variables and fields of the request in turn: `["https://", { variable: "host" }, …]`. */
export type Template = ReadonlyArray<string | TemplatePart>;
export type TemplatePart = { readonly variable: TemplateVariable } | { readonly field: string };

/** What an address may be made of. `uri` is path and query; `query` has its `?` or is empty. */
export const ADDRESS_VARIABLES = ["scheme", "host", "path", "query", "uri"] as const;

/** What a header field may be made of, beside `{header:<name>}`. What there is none of is empty. */
export const TEMPLATE_VARIABLES = [
  ...ADDRESS_VARIABLES,
  "method",
  "client",
  "user",
  "route",
  "tls_version",
  "tls_cipher",
  "client_cert_subject",
  "client_cert_fingerprint",
  "client_cert_verified",
] as const;
export type TemplateVariable = (typeof TEMPLATE_VARIABLES)[number];

/** What a template is filled in from. */
export type TemplateSource = Pick<Exchange, "scheme" | "clientAddress" | "user" | "route"> & {
  readonly request: Pick<Exchange["request"], "method" | "host" | "authority" | "path" | "query" | "headers">;
  readonly client: { readonly tls: ClientTls | null };
};

/**
 * Values go in as they are: a canonical path, a checked host and the fields of a request hold nothing that could end a
 * header field. `path` is the one to use in place of the requested one.
 */
export function renderTemplate(
  template: Template,
  source: TemplateSource,
  path: string = source.request.path,
): string {
  let text = "";
  for (let i = 0; i < template.length; i++) {
    const part = template[i]!;
    if (typeof part === "string") text += part;
    else if ("field" in part) text += source.request.headers.find(part.field) ?? "";
    else text += textOf(part.variable, source, path);
  }
  return text;
}

function textOf(variable: TemplateVariable, source: TemplateSource, path: string): string {
  const { request, client } = source;
  switch (variable) {
    case "scheme":
      return source.scheme;
    case "host":
      return request.authority || request.host;
    case "path":
      return path;
    case "query":
      return request.query;
    case "uri":
      return path + request.query;
    case "method":
      return request.method;
    case "client":
      return source.clientAddress;
    case "user":
      return fieldText(source.user);
    case "route":
      return source.route;
    case "tls_version":
      return client.tls?.version ?? "";
    case "tls_cipher":
      return client.tls?.cipher ?? "";
    case "client_cert_subject":
      return client.tls?.subject ?? "";
    case "client_cert_fingerprint":
      return client.tls?.fingerprint ?? "";
    case "client_cert_verified":
      return client.tls?.verified ? "true" : "false";
  }
}
