// Finds the part of the schema that a value of the file is held against. Runs anywhere.

import { z } from "zod";
import { configSchema } from "./schema/config.ts";

/** Null where the schema knows no such path. */
export function schemaAt(path: readonly PropertyKey[]): z.ZodType | null {
  return descend(configSchema, path);
}

/** The keys that the mapping at the path may have; none where it is no mapping or takes any key. */
export function keysAt(path: readonly PropertyKey[]): readonly string[] {
  const schema = descend(configSchema, path);
  const kinds: readonly unknown[] = schema instanceof z.ZodUnion ? schema.options : [schema];
  return kinds.flatMap((kind) => (kind instanceof z.ZodObject ? Object.keys(kind.shape) : []));
}

function descend(schema: unknown, path: readonly PropertyKey[]): z.ZodType | null {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault)
    return descend(schema.unwrap(), path);
  const [segment, ...rest] = path;
  if (segment === undefined) return schema instanceof z.ZodType ? schema : null;
  if (schema instanceof z.ZodObject) {
    const key = String(segment);
    return Object.hasOwn(schema.shape, key) ? descend(schema.shape[key], rest) : null;
  }
  if (schema instanceof z.ZodRecord) return descend(schema.valueType, rest);
  if (schema instanceof z.ZodArray) return descend(schema.element, rest);
  if (!(schema instanceof z.ZodUnion)) return null;
  return schema.options.map((option) => descend(option, path)).find((found) => found !== null) ?? null;
}
