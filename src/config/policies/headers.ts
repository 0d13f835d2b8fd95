// The policy `headers`: fields of the request and of the response that are set, added or removed. Runs anywhere.

import { z } from "zod";
import type { Template } from "../../core/template.ts";
import { fieldTemplate, requestFieldName, responseFieldName, truth } from "../values.ts";

export interface HeadersSpec {
  /** Null for nothing to do, here and below. */
  readonly request: (FieldRules & { readonly host: Template | null }) | null;
  readonly response: FieldRules | null;
}

export interface FieldRules {
  readonly set: readonly FieldRule[];
  readonly add: readonly FieldRule[];
  /** Lower case. */
  readonly remove: readonly string[];
}

interface FieldRule {
  readonly name: string;
  readonly lowerName: string;
  readonly value: Template;
}

function rules(name: () => z.ZodString, of: string) {
  return z
    .strictObject({
      set: z
        .record(name(), fieldTemplate())
        .prefault({})
        .describe(`Fields of the ${of} that get this value in place of any other; none where it is empty.`),
      add: z
        .record(name(), fieldTemplate())
        .prefault({})
        .describe(`Fields that the ${of} gets beside those it has.`),
      remove: z.array(name()).prefault([]).describe(`Fields that are taken out of the ${of}.`),
    })
    .optional();
}

export const headersSchema = z
  .strictObject({
    enabled: truth().prefault(true).describe("`false` turns it off and keeps the section."),
    request: rules(requestFieldName, "request"),
    response: rules(responseFieldName, "response"),
  })
  .describe("Changes fields of requests and responses; values may have variables (docs/policies.md).");

type Rules = NonNullable<z.output<typeof headersSchema>["request"]>;

export function compileHeaders({ request, response }: z.output<typeof headersSchema>): HeadersSpec {
  return {
    request: request === undefined ? null : { ...compileRules(request, isNotHost), host: hostOf(request) },
    response: response === undefined ? null : compileRules(response, () => true),
  };
}

function compileRules({ set, add, remove }: Rules, takes: (name: string) => boolean): FieldRules {
  const compiled = (fields: Rules["set"]) =>
    Object.entries(fields)
      .filter(([name]) => takes(name))
      .map(([name, value]) => ({ name, lowerName: name.toLowerCase(), value }));
  return { set: compiled(set), add: compiled(add), remove: remove.map((name) => name.toLowerCase()) };
}

function isNotHost(name: string): boolean {
  return name.toLowerCase() !== "host";
}

function hostOf({ set }: Rules): Template | null {
  return Object.entries(set).find(([name]) => !isNotHost(name))?.[1] ?? null;
}
