// The policy `jwt`: who may come in by a signed token. Runs anywhere.

import { z } from "zod";
import { atKey, atValue, type Findings } from "../finding.ts";
import type { PemFiles } from "../pem-files.ts";
import { quote } from "../problem.ts";
import { hasMisspelt, textOf } from "../settings.ts";
import type { SourceNode } from "../tree.ts";
import { choice, duration, freeFieldName, oneOrMore, TOKEN, text, textLike, truth } from "../values.ts";
import { jwksFault, jwksUrlFault } from "./jwks.ts";
import type { PolicyContext } from "./policy-context.ts";

export interface JwtSpec {
  readonly keys: JwtKeys;
  readonly algorithms: readonly string[];
  /** Null for any, here and below. */
  readonly issuers: readonly string[] | null;
  readonly audiences: readonly string[] | null;
  readonly clockToleranceMs: number;
  readonly required: ReadonlyArray<{ readonly claim: string; readonly values: readonly ClaimValue[] | null }>;
  readonly fields: ReadonlyArray<{
    readonly claim: string;
    readonly name: string;
    readonly lowerName: string;
  }>;
  /** In the order in which they are looked at. */
  readonly from: readonly TokenPlace[];
}

export type ClaimValue = string | number | boolean;

export type JwtKeys =
  | { readonly kind: "secret"; readonly secret: string }
  /** Text of a JWKS that was checked. */
  | { readonly kind: "set"; readonly jwks: string }
  | {
      readonly kind: "url";
      readonly url: string;
      /** After so long they are fetched again. */
      readonly refreshMs: number;
      /** Not again within so long, also for a key that is not among them. */
      readonly cooldownMs: number;
    };

export type TokenPlace =
  | { readonly from: "bearer" }
  | { readonly from: "header" | "cookie" | "query"; readonly name: string };

const OF_SECRET = ["HS256", "HS384", "HS512"] as const;
const OF_KEYS = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  ...["ES256", "ES384", "ES512", "EdDSA"],
] as const;
/** RFC 7518 section 3.2, for HS256. */
const MIN_SECRET_BYTES = 32;
const PLACE = new RegExp(`^(?:header|(?:header|cookie|query):${TOKEN.source.slice(1, -1)})$`);

function claimValue() {
  return z.union([z.string(), z.number(), z.boolean()], {
    error: 'expected text, a number, true, false or "*", or a list of them',
  });
}

export const jwtSchema = z
  .strictObject({
    enabled: truth().prefault(true).describe("`false` turns it off and keeps the section."),
    jwks_file: text()
      .optional()
      .describe("File with the public keys, as a JWK Set. Read again on a reload or change."),
    jwks_url: text()
      .optional()
      .describe("Address that the public keys are fetched from: https, or http on this machine."),
    jwks_refresh: duration("above 0")
      .prefault("10m")
      .describe(
        "Time after which the keys of `jwks_url` are fetched again. The old ones are used meanwhile.",
      ),
    jwks_cooldown: duration("above 0")
      .prefault("30s")
      .describe(
        "They are not fetched again within this time, also where a token names a key that is not there.",
      ),
    secret: text()
      .optional()
      .describe("Secret that tokens are signed with (HS256), of at least 32 bytes. Use a variable."),
    algorithms: oneOrMore(choice([...OF_KEYS, ...OF_SECRET]), "expected an algorithm or a list of them")
      .optional()
      .describe(
        "Algorithms of signatures. Without it HS256 for a `secret`, and all that are not HS for keys.",
      ),
    issuer: oneOrMore(text(), "expected text or a list of texts")
      .optional()
      .describe("What `iss` must be. Without it, anything."),
    audience: oneOrMore(text(), "expected text or a list of texts")
      .optional()
      .describe("What `aud` must be or have. Without it, anything."),
    clock_tolerance: duration("or 0")
      .prefault("0s")
      .describe("By so much the clocks of issuer and gateway may differ."),
    required_claims: z
      .record(text(), oneOrMore(claimValue(), "expected a value or a list of values"))
      .prefault({})
      .describe('Claims that a token must have, with one of these values; `"*"` for any. Else 403.'),
    claims_to_headers: z
      .record(text(), freeFieldName())
      .prefault({})
      .describe(
        "Fields that a backend gets claims in. What the client sends under these names is taken out.",
      ),
    from: oneOrMore(
      textLike(PLACE, 'expected header, or "header:", "cookie:" or "query:" with a name'),
      "expected a place of the token, or a list of places",
    )
      .prefault("header")
      .describe(
        "Where the token is: `header` for `Authorization: Bearer`, `header:<name>`, `cookie:<name>`, `query:<name>`.",
      ),
  })
  .describe("Lets requests with a signed token through (docs/policies/jwt.md).");

type JwtConfig = z.output<typeof jwtSchema>;

export function compileJwt(config: JwtConfig, { files }: PolicyContext): JwtSpec {
  const { issuer, audience, required_claims: required, claims_to_headers: fields } = config;
  return {
    keys: keysOf(config, files),
    algorithms: config.algorithms ?? (config.secret === undefined ? OF_KEYS : ["HS256"]),
    issuers: issuer ?? null,
    audiences: audience ?? null,
    clockToleranceMs: config.clock_tolerance,
    required: Object.entries(required).map(([claim, values]) => {
      return { claim, values: values.includes("*") ? null : values };
    }),
    fields: Object.entries(fields).map(([claim, name]) => ({ claim, name, lowerName: name.toLowerCase() })),
    from: config.from.map(placeOf),
  };
}

/** The schema let nothing else through than `header` and `<from>:<name>`. */
function placeOf(text: string): TokenPlace {
  if (text === "header") return { from: "bearer" };
  const [from = "", name = ""] = text.split(":");
  return from === "header" ? { from, name: name.toLowerCase() } : { from: from as "cookie" | "query", name };
}

function keysOf(config: JwtConfig, files: PemFiles): JwtKeys {
  const {
    secret,
    jwks_file: file,
    jwks_url: url,
    jwks_refresh: refreshMs,
    jwks_cooldown: cooldownMs,
  } = config;
  if (secret !== undefined) return { kind: "secret", secret };
  return file === undefined
    ? { kind: "url", url: url!, refreshMs, cooldownMs }
    : { kind: "set", jwks: files.text(file) };
}

const SOURCES = ["jwks_file", "jwks_url", "secret"];

export function* jwtProblems(policy: SourceNode, files: PemFiles): Findings {
  const { children } = policy;
  const [source, ...others] = SOURCES.flatMap((name) => children.get(name) ?? []);
  if (source === undefined) {
    if (children.get("enabled")?.value !== false && !hasMisspelt(policy, SOURCES))
      yield atKey(policy, `missing keys: expected exactly one of ${SOURCES.join(", ")}`);
    return;
  }
  for (const other of others) {
    const both = `cannot use "${other.path.at(-1)}" beside "${source.path.at(-1)}"`;
    yield atKey(other, `${both}: expected exactly one of ${SOURCES.join(", ")}`);
  }
  const file = textOf(policy, "jwks_file");
  if (file !== null) {
    const fault = files.unreadable(file) ?? jwksFault(files.text(file));
    if (fault !== null) yield atValue(children.get("jwks_file")!, `cannot use ${quote(file)}: ${fault}`);
  }
  const url = textOf(policy, "jwks_url");
  const urlFault = url === null ? null : jwksUrlFault(url);
  if (urlFault !== null) yield atValue(children.get("jwks_url")!, `cannot use ${quote(url)}: ${urlFault}`);
  const secret = textOf(policy, "secret");
  if (secret !== null && Buffer.byteLength(secret) < MIN_SECRET_BYTES)
    yield atValue(
      children.get("secret")!,
      `cannot use this value: expected at least ${MIN_SECRET_BYTES} bytes`,
    );
  yield* algorithmProblems(children.get("algorithms"), source.path.at(-1) === "secret");
}

/** A public key is no secret: taken for one, anybody could sign with it. */
function* algorithmProblems(algorithms: SourceNode | undefined, isSecret: boolean): Findings {
  if (algorithms === undefined) return;
  const nodes = algorithms.children.size > 0 ? [...algorithms.children.values()] : [algorithms];
  for (const node of nodes) {
    const known = [...OF_SECRET, ...OF_KEYS].some((name) => name === node.value);
    if (!known || OF_SECRET.some((name) => name === node.value) === isSecret) continue;
    const fitting = isSecret
      ? `${OF_SECRET.join(", ")} for a "secret"`
      : "one for public keys, such as RS256";
    yield atValue(node, `cannot use ${quote(node.value)}: expected ${fitting}`);
  }
}
