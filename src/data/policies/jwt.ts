// The policy `jwt`: lets requests with a token through whose signature, time, issuer and audience are right (RFC 7519, 8725),
// and tells the backend what it claims. Runs in data threads.

import { hash } from "node:crypto";
import { errors, type JWTPayload, type JWTVerifyGetKey, type JWTVerifyOptions, jwtVerify } from "jose";
import type { JwtSpec } from "../../config/snapshot.ts";
import { GatewayError } from "../../core/errors.ts";
import type { Exchange } from "../../core/exchange.ts";
import { fieldText } from "../../core/field-text.ts";
import { equalsIgnoreCase, Field, HeaderList } from "../../core/headers.ts";
import { failExchange, type PolicyRun } from "../pipeline.ts";
import type { ThreadContext } from "../thread-context.ts";
import { readHashKey } from "../upstream/hash-key.ts";
import { claimAt, claimText, hasClaim } from "./jwt-claims.ts";
import { createKeys, NoKeys } from "./jwt-keys.ts";
import { type Policy, Step } from "./policy.ts";
import { Waiting } from "./waiting.ts";

/** Tokens that were verified are not verified again for so long, unless they end before. */
const REMEMBERED_MS = 60_000;
const MAX_REMEMBERED = 2048;

export function createJwt(spec: JwtSpec, thread: ThreadContext): Policy {
  return new Jwt(spec, createKeys(spec.keys, thread.reporter));
}

/** What a good token is good for. */
interface Grant {
  readonly user: string;
  /** Names and values of fields in turn. */
  readonly fields: readonly string[];
  /** From `Date.now()`. */
  readonly untilMs: number;
}

class Refusal {
  readonly error: GatewayError;
  /** Of WWW-Authenticate, or empty. */
  readonly challenge: string;

  constructor(error: GatewayError, challenge: string) {
    this.error = error;
    this.challenge = challenge;
  }
}

class Jwt implements Policy {
  readonly #spec: JwtSpec;
  readonly #keys: JWTVerifyGetKey;
  readonly #options: JWTVerifyOptions;
  /** By a hash of the token, oldest first. */
  readonly #grants = new Map<string, Grant>();

  constructor(spec: JwtSpec, keys: JWTVerifyGetKey) {
    this.#spec = spec;
    this.#keys = keys;
    this.#options = {
      algorithms: [...spec.algorithms],
      clockTolerance: spec.clockToleranceMs / 1000,
      requiredClaims: ["exp"],
      ...(spec.issuers === null ? {} : { issuer: [...spec.issuers] }),
      ...(spec.audiences === null ? {} : { audience: [...spec.audiences] }),
    };
  }

  enter(exchange: Exchange, run: PolicyRun): Step {
    const { headers } = exchange.request;
    const token = this.#tokenOf(exchange);
    for (const { lowerName } of this.#spec.fields) headers.removeVariable(lowerName);
    if (token === null) {
      this.refuse(exchange, new Refusal(new GatewayError("unauthorized", "expected a token"), "Bearer"));
      return Step.answered;
    }
    const key = hash("sha256", token, "base64");
    const grant = this.#grants.get(key);
    if (grant !== undefined && Date.now() < grant.untilMs) {
      this.admit(exchange, grant);
      return Step.goOn;
    }
    const waiting = new JwtWait(exchange, run, this);
    void this.#verify(token, key).then((outcome) => waiting.verified(outcome));
    return Step.waits;
  }

  admit(exchange: Exchange, { user, fields }: Grant): void {
    exchange.user = user;
    exchange.personal = true;
    const { headers } = exchange.request;
    for (let i = 0; i < fields.length; i += 2) headers.add(fields[i]!, fields[i + 1]!, Field.other);
  }

  refuse(exchange: Exchange, { error, challenge }: Refusal): void {
    const headers = new HeaderList();
    if (challenge !== "") headers.add("WWW-Authenticate", challenge, Field.other);
    failExchange(exchange, error, headers);
  }

  #tokenOf(exchange: Exchange): string | null {
    for (const place of this.#spec.from) {
      const { headers } = exchange.request;
      const token =
        place.from === "bearer"
          ? bearerToken(headers.findOnly("authorization"))
          : readHashKey(exchange, place);
      if (token !== null) return token;
    }
    return null;
  }

  /** Never fails. */
  async #verify(token: string, key: string): Promise<Grant | Refusal> {
    try {
      const payload = await verifyWithAny(token, this.#keys, this.#options);
      const lacking = this.#spec.required.find((required) => !hasClaim(payload, required));
      if (lacking !== undefined) return insufficient(lacking.claim);
      const grant = this.#grantOf(payload);
      this.#remember(key, grant);
      return grant;
    } catch (error) {
      return refusalOf(error);
    }
  }

  #grantOf(payload: JWTPayload): Grant {
    const fields: string[] = [];
    for (const { claim, name } of this.#spec.fields) {
      const value = claimAt(payload, claim);
      if (value !== undefined && value !== null) fields.push(name, fieldText(claimText(value)));
    }
    const untilMs = Math.min(Date.now() + REMEMBERED_MS, payload.exp! * 1000 + this.#spec.clockToleranceMs);
    return { user: typeof payload.sub === "string" ? payload.sub : "", fields, untilMs };
  }

  #remember(key: string, grant: Grant): void {
    this.#grants.delete(key);
    if (this.#grants.size >= MAX_REMEMBERED) {
      const [oldest] = this.#grants.keys();
      this.#grants.delete(oldest!);
    }
    this.#grants.set(key, grant);
  }
}

/** An exchange whose token is being verified. */
class JwtWait extends Waiting {
  readonly #policy: Jwt;
  #isOver = false;

  constructor(exchange: Exchange, run: PolicyRun, policy: Jwt) {
    super(exchange, run);
    this.#policy = policy;
  }

  verified(outcome: Grant | Refusal): void {
    if (this.#isOver) return;
    this.exchange.action = null;
    if (outcome instanceof Refusal) {
      this.#policy.refuse(this.exchange, outcome);
    } else {
      this.#policy.admit(this.exchange, outcome);
      this.run.goOn();
    }
  }

  override onAborted(): void {
    this.#isOver = true;
  }
}

/** A token that does not name its key may be signed with any of those that fit. */
async function verifyWithAny(
  token: string,
  keys: JWTVerifyGetKey,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, keys, options)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error) {
      try {
        return (await jwtVerify(token, key, options)).payload;
      } catch (other) {
        if (!(other instanceof errors.JWSSignatureVerificationFailed)) throw other;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

/** Of `Bearer <token>` (RFC 6750 section 2.1), or null. */
function bearerToken(field: string | null): string | null {
  const space = field?.indexOf(" ") ?? -1;
  if (field === null || space < 0 || !equalsIgnoreCase(field.slice(0, space), "bearer")) return null;
  return field.slice(space + 1).trimStart() || null;
}

/** What was wrong is said in general words: who made a token up need not learn more. */
function refusalOf(error: unknown): Refusal {
  if (error instanceof NoKeys)
    return new Refusal(new GatewayError("auth_unavailable", "there are no keys to verify tokens with"), "");
  const message = error instanceof errors.JWTExpired ? "the token has expired" : "the token is not valid";
  if (!(error instanceof errors.JOSEError))
    return new Refusal(new GatewayError("unauthorized", message, error), invalidToken(message));
  return new Refusal(new GatewayError("unauthorized", message), invalidToken(message));
}

function invalidToken(message: string): string {
  return `Bearer error="invalid_token", error_description="${message}"`;
}

/** RFC 6750 section 3.1. */
function insufficient(claim: string): Refusal {
  const error = new GatewayError("client_denied", `the token lacks the claim ${JSON.stringify(claim)}`);
  return new Refusal(error, 'Bearer error="insufficient_scope"');
}
