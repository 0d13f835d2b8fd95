// The kinds of value that the schema is made of. Each says in its messages what it expected, as the end of the
// sentence `cannot use "80a": …`, and in its metadata what editors and the reference should show. Runs anywhere.

import { z } from "zod";
import { Field, fieldId } from "../core/headers.ts";
import { bracketedAddress, isAddress, parseCidr } from "../core/ip.ts";
import { canonicalPath } from "../core/path.ts";
import type { Template } from "../core/template.ts";
import { parseTemplate } from "./parse-template.ts";
import { parseDuration, parseSize } from "./units.ts";

type Reading<T> = { readonly value: T } | { readonly problem: string };

/** Text that `read` makes a value of, or says why not. */
export function readText<T>(expected: string, read: (text: string) => Reading<T>) {
  return z.string({ error: expected }).transform((text, context): T => {
    const reading = read(text);
    if ("value" in reading) return reading.value;
    context.addIssue({ code: "custom", message: reading.problem });
    return z.NEVER;
  });
}

export function text(expected = "expected text (in quotes where YAML reads it as something else)") {
  return z.string({ error: expected }).min(1, expected).meta({ title: "text" });
}

export function textLike(pattern: RegExp, expected: string) {
  return z.string({ error: expected }).regex(pattern, { error: expected }).meta({ title: "text" });
}

export function wholeNumber(min: number, max: number) {
  const range = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`;
  const error = `expected a whole number ${range}`;
  const number = z.int({ error }).min(min, { error });
  return (max === Number.MAX_SAFE_INTEGER ? number : number.max(max, { error })).meta({
    title: `whole number ${range}`,
  });
}

export function truth() {
  return z.boolean({ error: "expected true or false" });
}

export function choice<const Names extends readonly string[]>(names: Names) {
  return z.enum(names, { error: `expected ${names.length === 1 ? "" : "one of "}${names.join(", ")}` });
}

/** Milliseconds. `zero` says what no time at all means where that makes sense. */
export function duration(zero: "or 0" | "above 0") {
  const expected = `expected a duration${zero === "or 0" ? " (or 0)" : " above 0"} with its unit, such as 500ms, 30s or 2m`;
  const written = readText(expected, (text) => {
    const ms = parseDuration(text);
    return ms === null || (ms === 0 && zero === "above 0") ? { problem: expected } : { value: ms };
  });
  const kind = zero === "or 0" ? z.union([written, z.literal(0)], { error: expected }) : written;
  return kind.meta({ title: "duration", examples: ["500ms", "30s", "2m"] });
}

/** Bytes. A bare number is one of bytes. */
export function size(min: number, max = Number.MAX_SAFE_INTEGER) {
  const most = max === Number.MAX_SAFE_INTEGER ? "" : `, at most ${max}b`;
  const expected = `expected a size such as 512b, 64kb or 10mb${min > 0 ? `, at least ${min}b` : " (or 0)"}${most}`;
  const written = readText(expected, (text) => {
    const bytes = parseSize(text);
    return bytes === null || bytes < min || bytes > max ? { problem: expected } : { value: bytes };
  });
  const bytes = z.int({ error: expected }).min(min, { error: expected }).max(max, { error: expected });
  return z
    .union([written, bytes], { error: expected })
    .meta({ title: "size", examples: ["512b", "64kb", "10mb"] });
}

/** A share of a whole, 0 to 1, also written as a percentage. */
export function share() {
  const expected = 'expected a share from 0 to 1, or a percentage such as "20%"';
  const written = readText(expected, (text) => {
    const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1];
    const value = percent === undefined ? Number.NaN : Number(percent) / 100;
    return value <= 1 ? { value } : { problem: expected };
  });
  const number = z.number({ error: expected }).min(0, { error: expected }).max(1, { error: expected });
  return z.union([written, number], { error: expected }).meta({ title: "share", examples: ["20%", 0.2] });
}

const NAME_LABEL = "[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?";
/** Lower case. The last label is no number, or an address with a slip in it would pass for a name. */
const HOST_NAME = new RegExp(`^(?=.{1,253}$)(?:${NAME_LABEL}\\.)*(?!\\d+$)${NAME_LABEL}$`);

/** A host to listen on or to connect to, in lower case, IPv6 without brackets, a name without the dot of the root. */
export function host() {
  const expected = "expected a host name or an address, without a port";
  return readText(expected, (text) => {
    const lower = text.toLowerCase();
    const address = bracketedAddress(lower) ?? lower;
    if (isAddress(address)) return { value: address };
    const name = lower.replace(/\.$/, "");
    return HOST_NAME.test(name) ? { value: name } : { problem: expected };
  }).meta({ title: "host" });
}

/** A host as a request names it: lower case, IPv6 in brackets, `*.` in front for every name below. */
export function hostPattern() {
  const expected = 'expected a host such as "example.com" or "*.example.com", without a port';
  return readText(expected, (text) => {
    const lower = text.toLowerCase().replace(/(?<=.)\.$/, "");
    if (HOST_NAME.test(lower.replace(/^\*\./, "")) || isAddress(lower)) {
      return { value: lower.includes(":") ? `[${lower}]` : lower };
    }
    if (bracketedAddress(lower) !== null) return { value: lower };
    return { problem: lower === "*" ? `${expected} (no hosts at all for every host)` : expected };
  }).meta({ title: "host pattern" });
}

/** A DNS server: its address, and its port where it is not 53. */
export function dnsServer() {
  const expected = 'expected an address such as "10.0.0.2", "10.0.0.2:53" or "[fd00::2]:53"';
  return readText(expected, (text) => {
    const [, host, port] = /^(\[.*\]|[^:]+):(\d{1,5})$/.exec(text) ?? ["", text, "53"];
    const isHost = bracketedAddress(host!) !== null || isAddress(host!);
    const isPort = Number(port) >= 1 && Number(port) <= 65535;
    return isHost && isPort ? { value: text } : { problem: expected };
  }).meta({ title: "address" });
}

export function cidr() {
  const expected = 'expected an address or a range such as "10.0.0.0/8" or "fd00::/8"';
  return readText(expected, (text) => {
    const range = parseCidr(text);
    return range === null ? { problem: expected } : { value: range };
  }).meta({ title: "address or range" });
}

/** A path in the one form that routing compares (src/core/path.ts). */
export function path() {
  return readText('expected a path such as "/api"', readPath).meta({ title: "path" });
}

export interface PathPattern {
  readonly kind: "prefix" | "exact";
  readonly path: string;
}

export function pathPattern() {
  return readText('expected a path such as "/api" or "exact:/api"', (text): Reading<PathPattern> => {
    const kind = text.startsWith("exact:") ? "exact" : "prefix";
    const reading = readPath(kind === "exact" ? text.slice("exact:".length) : text);
    return "value" in reading ? { value: { kind, path: reading.value } } : reading;
  }).meta({ title: "path pattern" });
}

/** A path and the query that may follow it. */
export function pathAndQuery() {
  const expected = 'expected a path such as "/health", with or without a query';
  return readText(expected, (text): Reading<string> => {
    const [, path = "", query = ""] = /^([^?]*)(\?.*)?$/s.exec(text)!;
    if (/[^\x21-\x7e]|[#\\]/.test(query))
      return { problem: "expected visible ASCII without # and \\ in the query" };
    return readPath(path, query);
  }).meta({ title: "path" });
}

function readPath(text: string, query = ""): Reading<string> {
  const bytes = text.toWellFormed().replace(/[^\x21-\x7e]+/g, encodeURIComponent);
  const canonical = canonicalPath(bytes);
  if (typeof canonical !== "string") return { problem: canonical.message };
  return canonical === text
    ? { value: text + query }
    : { problem: `expected its canonical form ${JSON.stringify(canonical + query)}` };
}

/** RFC 9110 section 5.6.2: methods, and the names of fields and cookies. */
export const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** RFC 9110 section 5.5, as latin1. */
const FIELD_VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;

export function method() {
  const expected = "expected a method such as GET";
  return readText(expected, (text) => {
    return TOKEN.test(text) ? { value: text.toUpperCase() } : { problem: expected };
  }).meta({ title: "method" });
}

export function fieldName() {
  const expected = "expected the name of a header field";
  return textLike(TOKEN, expected).meta({ title: "field name" });
}

/** A field of a response that the gateway does not make itself. */
export function responseFieldName() {
  return fieldName().refine((name) => fieldId(name) === Field.other || fieldId(name) > Field.lastHopByHop, {
    error: "expected a field that the gateway does not write itself",
  });
}

/** A field of a request that a policy may write: none that the gateway makes anew for every backend. */
export function requestFieldName() {
  const own: readonly number[] = [
    Field.xForwardedFor,
    Field.xForwardedProto,
    Field.xForwardedHost,
    Field.forwarded,
    Field.via,
  ];
  return fieldName().refine(
    (name) => {
      const id = fieldId(name);
      return id === Field.other || (id > Field.lastHopByHop && !own.includes(id));
    },
    { error: "expected a field that the gateway does not write itself" },
  );
}

/** A field that means nothing else to the gateway. */
export function freeFieldName() {
  return fieldName().refine((name) => fieldId(name) === Field.other, {
    error: "expected a field that has no other meaning to the gateway",
  });
}

export function fieldValue() {
  const expected = "expected the value of a header field: one line of Latin-1 text (numbers in quotes)";
  return textLike(FIELD_VALUE, expected);
}

/** The value of a field, with everything that is known of a request. */
export function fieldTemplate() {
  const expected = "expected the value of a header field: one line of Latin-1 text (numbers in quotes)";
  return readText(expected, (text): Reading<Template> => {
    if (!FIELD_VALUE.test(text)) return { problem: expected };
    const result = parseTemplate(text, "field");
    return "template" in result ? { value: result.template } : result;
  }).meta({ title: "template" });
}

/** Where a client is sent: its literal text must fit into a header field as it is. */
export function location() {
  return template(/^[\x21-\x7e]*$/, "expected visible ASCII characters only");
}

/** The path, and the query if it has one, that a backend sees. */
export function pathTemplate() {
  return template(
    /^(?:[\x21-\x7e](?<![#\\]))*$/,
    "expected visible ASCII characters without # and \\",
  ).refine(
    ([first]) =>
      typeof first === "string"
        ? first.startsWith("/")
        : first !== undefined && "variable" in first && ["path", "uri"].includes(first.variable),
    { error: "expected a template that starts with /, {path} or {uri}" },
  );
}

function template(literals: RegExp, expected: string) {
  return readText('expected a template such as "https://{host}{uri}"', (text): Reading<Template> => {
    if (text === "") return { problem: "expected a template that is not empty" };
    if (!literals.test(text)) return { problem: expected };
    const result = parseTemplate(text);
    return "template" in result ? { value: result.template } : result;
  }).meta({ title: "template" });
}

/** A list, or the one thing in it. */
export function oneOrMore<Item extends z.ZodType>(item: Item, expected: string) {
  const list = z.array(item).min(1, { error: "expected at least one" });
  return z.union([item.transform((value) => [value]), list], { error: expected });
}
