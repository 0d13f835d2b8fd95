// What clients of the admin API send: the shapes that are accepted, and what is said of anything else. Control thread.

import { z } from "zod";
import { formatPath, quote } from "../../config/problem.ts";
import { nearest } from "../../config/suggest.ts";
import { canonicalPath } from "../../core/path.ts";
import { AdminError } from "./error.ts";

export const backendsQuery = z.strictObject({
  upstream: z.string({ error: "expected the name of one upstream" }).optional(),
});

export const appsQuery = z.strictObject({
  app: z.string({ error: "expected the name of one app" }).prefault(""),
});

const name = z.string({ error: "expected text" }).min(1, { error: "expected text that is not empty" });
const figure = z.number({ error: "expected a number" });
const percentage = z.number({ error: "expected a number of per cent" });

/** The names of `/api/v1/stats/server`, so that what one gateway tells of its machine can be passed on. */
const performance = z
  .strictObject(
    {
      cpu_usage: percentage,
      memory_usage: percentage,
      load_avg_1: percentage.optional(),
      load: percentage.optional(),
      load_avg_5: percentage.optional(),
      load_avg_15: percentage.optional(),
      disk_usage: percentage.optional(),
      network_in: figure.optional(),
      network_out: figure.optional(),
      timestamp: figure.optional(),
    },
    { error: "expected an object such as { cpu_usage: 40, memory_usage: 60, load: 25 }" },
  )
  .refine(({ load, load_avg_1 }) => (load === undefined) !== (load_avg_1 === undefined), {
    error: 'expected either "load" or "load_avg_1"',
  });

export const report = z.strictObject(
  { upstream: name, backend_id: name, performance },
  { error: "expected an object with upstream, backend_id and performance" },
);

const PURGE_PATH = 'expected a path such as "/news", in the form in which it is kept';

export const purge = z
  .strictObject(
    {
      route: name.optional(),
      host: name.transform((host) => host.toLowerCase()).optional(),
      path: purgePath().optional(),
      prefix: purgePath().optional(),
    },
    { error: "expected an object with route, host, path or prefix, or with none of them for everything" },
  )
  .refine(({ path, prefix }) => path === undefined || prefix === undefined, {
    error: 'expected either "path" or "prefix"',
  });

/** What is written in another form than the one that is kept would fit nothing. */
function purgePath() {
  return z
    .string({ error: PURGE_PATH })
    .refine((path) => path.startsWith("/") && canonicalPath(path) === path, { error: PURGE_PATH });
}

export type Performance = z.infer<typeof performance>;

/** How busy a backend is, 0 to 1: two fifths each are its processors and its memory, one is its load. */
export function utilisationOf({ cpu_usage, memory_usage, load, load_avg_1 }: Performance): number {
  return (2 * share(cpu_usage) + 2 * share(memory_usage) + share(load ?? load_avg_1 ?? 0)) / 5;
}

function share(percent: number): number {
  return Math.min(1, Math.max(0, percent / 100));
}

/** The value in the shape of `schema`; throws an `AdminError` with every problem of it. */
export function accept<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new AdminError(
    400,
    "invalid_request",
    result.error.issues.flatMap((issue) => explain(value, issue)).join("; "),
  );
}

function explain(root: unknown, issue: z.core.$ZodIssue): string[] {
  const path = issue.path.map((segment) => (typeof segment === "symbol" ? String(segment) : segment));
  const label = path.length === 0 ? "" : `${formatPath(path)}: `;
  if (issue.code === "unrecognized_keys") {
    const known = KEYS[formatPath(path)] ?? [];
    return issue.keys.map((key) => {
      const meant = nearest(key, known);
      return `${label}unknown key ${quote(key)}${meant === null ? "" : `: did you mean ${quote(meant)}?`}`;
    });
  }
  const found = path.reduce<unknown>(
    (value, segment) => (value as Record<PropertyKey, unknown>)?.[segment],
    root,
  );
  if (found === undefined && path.length > 0) return [`${formatPath(path)} is missing: ${issue.message}`];
  return [`${label}cannot use ${quote(found)}: ${issue.message}`];
}

const KEYS: Readonly<Record<string, readonly string[]>> = {
  "": [report, backendsQuery, purge].flatMap(({ shape }) => Object.keys(shape)),
  performance: Object.keys(performance.shape),
};
