// The policy `cors`: which pages of other origins may read the responses of a route. Runs anywhere.

import { z } from "zod";
import { atKey, atValue, type Findings } from "../finding.ts";
import { quote } from "../problem.ts";
import { lacks } from "../settings.ts";
import type { SourceNode } from "../tree.ts";
import { duration, fieldName, hostPattern, method, oneOrMore, readText, truth } from "../values.ts";

export interface CorsSpec {
  readonly origins: OriginRules;
  readonly credentials: boolean;
  /** Of Access-Control-Allow-Methods; null for whichever is asked for. */
  readonly methods: string | null;
  /** Of Access-Control-Allow-Headers, maybe empty; null for whichever are asked for. */
  readonly headers: string | null;
  /** Of Access-Control-Expose-Headers, or empty. */
  readonly expose: string;
  /** Of Access-Control-Max-Age: seconds, or empty. */
  readonly maxAge: string;
}

/** Null for every origin. */
export type OriginRules = {
  readonly exact: readonly string[];
  /** Every name below: what an origin begins with, and what it ends with (`.example.com:8443`). */
  readonly below: ReadonlyArray<{ readonly start: string; readonly end: string }>;
} | null;

const ORIGIN = 'expected an origin such as "https://example.com" or "https://*.example.com", "null" or "*"';
const STANDARD_PORTS: Readonly<Record<string, string>> = { http: "80", https: "443" };

/** As a browser writes it: lower case, no port where it is the one of the scheme. */
function origin() {
  return readText(ORIGIN, (text) => {
    if (text === "*" || text === "null") return { value: text };
    const [, scheme = "", authority = ""] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#@]+)$/i.exec(text) ?? [];
    const [, host = "", port] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(authority) ?? [];
    const name = hostPattern().safeParse(host);
    if (scheme === "" || !name.success || Number(port ?? 1) > 65_535) return { problem: ORIGIN };
    const lower = scheme.toLowerCase();
    const isStandard = port === undefined || Number(port) === Number(STANDARD_PORTS[lower]);
    return { value: `${lower}://${name.data}${isStandard ? "" : `:${Number(port)}`}` };
  }).meta({ title: "origin" });
}

export const corsSchema = z
  .strictObject({
    enabled: truth().prefault(true).describe("`false` turns it off and keeps the section."),
    origins: oneOrMore(origin(), 'expected an origin, a list of origins, or "*"')
      .optional()
      .describe(
        'Whose pages may read responses: `https://example.com`, `https://*.example.com` for all names below, `null`, or `"*"` for everybody.',
      ),
    methods: oneOrMore(method(), 'expected a method, a list of methods, or "*"')
      .prefault(["GET", "HEAD", "POST"])
      .describe('Methods that those pages may use; `"*"` for any.'),
    headers: oneOrMore(fieldName(), 'expected a field name, a list of them, or "*"')
      .optional()
      .describe('Fields that those pages may send beside the simple ones; `"*"` for any.'),
    expose: oneOrMore(fieldName(), "expected a field name or a list of them")
      .optional()
      .describe("Fields of responses that those pages may read beside the simple ones."),
    credentials: truth()
      .prefault(false)
      .describe("Those pages may send cookies and other credentials. Not for every origin."),
    max_age: duration("or 0")
      .prefault("0s")
      .describe("How long a browser may keep the answer to a preflight request; 0 for as long as it likes."),
  })
  .describe("Lets pages of other origins use a route (docs/policies/cors.md).");

export function compileCors(config: z.output<typeof corsSchema>): CorsSpec {
  const { origins = [], methods, headers = [], expose = [], credentials, max_age: maxAge } = config;
  const isBelow = (text: string) => text.includes("://*.");
  return {
    origins: origins.includes("*")
      ? null
      : {
          exact: origins.filter((text) => !isBelow(text)),
          below: origins.filter(isBelow).map((text) => {
            const [start = "", end = ""] = text.split("*");
            return { start, end };
          }),
        },
    credentials,
    methods: methods.includes("*") ? null : methods.join(", "),
    headers: headers.includes("*") ? null : headers.join(", "),
    expose: expose.join(", "),
    maxAge: maxAge === 0 ? "" : String(Math.ceil(maxAge / 1000)),
  };
}

export function* corsProblems(policy: SourceNode): Findings {
  const { children } = policy;
  const origins = children.get("origins");
  if (lacks(policy, ["origins"]))
    yield atKey(policy, 'missing key "origins": expected an origin, a list of origins, or "*"');
  if (origins === undefined) return;
  const credentials = children.get("credentials");
  const isAny = origins.value === "*" || (Array.isArray(origins.value) && origins.value.includes("*"));
  if (credentials?.value === true && isAny)
    yield atValue(credentials, `cannot use true with origins ${quote("*")}: expected the origins by name`);
}
