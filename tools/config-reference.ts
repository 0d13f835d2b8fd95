// Writes what editors and readers need to know of the configuration: docs/sluice.schema.json, and the tables of
// docs/configuration.md. With --check it only says, by its exit code, whether they are up to date. Runs by hand and in CI.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { configSchema } from "../src/config/schema/config.ts";

type JsonSchema = z.core.JSONSchema.BaseSchema;

const SCHEMA_FILE = fileURLToPath(new URL("../docs/sluice.schema.json", import.meta.url));
const REFERENCE_FILE = fileURLToPath(new URL("../docs/configuration.md", import.meta.url));
const BIOME = fileURLToPath(new URL("../node_modules/.bin/biome", import.meta.url));
const [BEGIN, END] = ["<!-- reference: made by tools/config-reference.ts -->", "<!-- end of reference -->"];

function main(): void {
  const schema = z.toJSONSchema(configSchema, { io: "input" });
  const reference = readFileSync(REFERENCE_FILE, "utf8");
  const wanted = [
    { file: SCHEMA_FILE, text: formatted(JSON.stringify(editorSchema(schema))) },
    { file: REFERENCE_FILE, text: withTables(reference, tables(schema)) },
  ];
  if (process.argv.includes("--check")) {
    const stale = wanted.filter(({ file, text }) => readFileSync(file, "utf8") !== text);
    for (const { file } of stale) console.error(`${file} is out of date: run node tools/config-reference.ts`);
    process.exitCode = stale.length > 0 ? 1 : 0;
  } else {
    for (const { file, text } of wanted) writeFileSync(file, text);
  }
}

function formatted(json: string): string {
  return execFileSync(BIOME, ["format", `--stdin-file-path=${SCHEMA_FILE}`], {
    input: json,
    encoding: "utf8",
  });
}

function withTables(reference: string, text: string): string {
  const [before, rest] = reference.split(BEGIN);
  const after = rest?.split(END)[1];
  if (after === undefined)
    throw new Error(`Cannot find the reference in ${REFERENCE_FILE}: expected ${BEGIN} … ${END}`);
  return `${before}${BEGIN}\n\n${text}\n${END}${after}`;
}

// ---- docs/sluice.schema.json ----

/** Every value may come from the environment, which the types of the values do not say. */
function editorSchema(schema: JsonSchema): JsonSchema {
  const { $schema, $defs: shared = {}, ...rest } = mayBePlaceholder(schema);
  const definitions = Object.entries(shared).map(([name, { id: _, ...definition }]) => {
    return [name, mayBePlaceholder(definition)] as const;
  });
  const placeholder = {
    type: "string" as const,
    pattern: "\\$\\{",
    description: "Value with environment variables",
  };
  return {
    ...($schema === undefined ? {} : { $schema }),
    title: "Configuration of Sluice",
    ...rest,
    $defs: { placeholder, ...Object.fromEntries(definitions) },
  };
}

function mayBePlaceholder(schema: JsonSchema): JsonSchema {
  if (isScalar(schema)) {
    const { description, default: standard, title, ...rest } = schema;
    const about = Object.entries({ title, description, default: standard }).filter(
      ([, text]) => text !== undefined,
    );
    return { ...Object.fromEntries(about), anyOf: [rest, { $ref: "#/$defs/placeholder" }] };
  }
  const result = { ...schema };
  const { properties, additionalProperties, items, anyOf } = schema;
  if (properties !== undefined) {
    result.properties = Object.fromEntries(
      Object.entries(properties).map(([name, property]) => [name, mayBePlaceholder(asObject(property))]),
    );
  }
  if (typeof additionalProperties === "object")
    result.additionalProperties = mayBePlaceholder(additionalProperties);
  if (items !== undefined) result.items = mayBePlaceholder(asObject(items));
  if (anyOf !== undefined) result.anyOf = anyOf.map((option) => mayBePlaceholder(asObject(option)));
  return result;
}

/** A value that text with a placeholder in it is no instance of by itself. */
function isScalar({ type, pattern, enum: names, const: only }: JsonSchema): boolean {
  const isText = type === "string" && pattern === undefined && names === undefined && only === undefined;
  return !isText && type !== undefined && type !== "object" && type !== "array";
}

// ---- the tables of docs/configuration.md ----

function tables(schema: JsonSchema): string {
  return [...sections("", schema, schema.$defs ?? {})].join("\n");
}

/**
 * One heading and table for each mapping in the schema, in the order of the keys. What stands in several places
 * (`shared`) has its tables where it is a section of the file.
 */
function* sections(
  path: string,
  place: JsonSchema,
  shared: Readonly<Record<string, JsonSchema>>,
): Generator<string> {
  const definition = shared[place.$ref?.slice("#/$defs/".length) ?? ""];
  if (definition !== undefined && path.includes(".")) return;
  const schema: JsonSchema = definition === undefined ? place : { ...definition, ...place };
  const properties = Object.entries(schema.properties ?? {}).map(
    ([key, property]) => [key, asObject(property)] as const,
  );
  if (path !== "" && properties.length > 0) {
    const rows = properties.map(([key, property]) =>
      row(key, property, schema.required?.includes(key) ?? false),
    );
    const about = schema.description === undefined ? "" : `${schema.description}\n\n`;
    yield `### \`${path}\`\n\n${about}| key | kind | default | meaning |\n|---|---|---|---|\n${rows.join("\n")}\n`;
  }
  for (const [key, property] of properties)
    yield* sections(path === "" ? key : `${path}.${key}`, property, shared);
  const { additionalProperties: each, items } = schema;
  if (typeof each === "object") yield* sections(`${path}.<name>`, each, shared);
  if (items !== undefined) yield* sections(`${path}[]`, asObject(items), shared);
}

function row(key: string, schema: JsonSchema, isRequired: boolean): string {
  const { default: standard, description = "" } = schema;
  const isEmpty = typeof standard === "object" && Object.keys(standard ?? {}).length === 0;
  const shown = standard === undefined || isEmpty ? "" : code(standard);
  return `| \`${key}\` | ${kindOf(schema)} | ${isRequired ? "needed" : shown} | ${description} |`;
}

function kindOf(schema: JsonSchema): string {
  if (schema.title !== undefined) return schema.title;
  if (schema.$ref !== undefined) return "mapping";
  if (schema.const !== undefined) return code(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(code).join(", ");
  if (schema.anyOf !== undefined) return schema.anyOf.map((option) => kindOf(asObject(option))).join(", or ");
  if (schema.type === "array") return `list: ${kindOf(asObject(schema.items ?? {}))}`;
  if (typeof schema.additionalProperties === "object")
    return `mapping: ${kindOf(schema.additionalProperties)}`;
  if (schema.type === "boolean") return "`true` or `false`";
  return schema.type === "object" ? "mapping" : "text";
}

function code(value: unknown): string {
  return `\`${typeof value === "string" && value !== "" ? value : JSON.stringify(value)}\``;
}

/** Nothing in our schema is `true`, `false` or a list of schemas. */
function asObject(schema: unknown): JsonSchema {
  return schema as JsonSchema;
}

main();
