// The policy `basic_auth` (RFC 7617): asks for a name and a password, and compares it with a hash. Runs in data threads.

import type { BasicAuthSpec } from "../../config/snapshot.ts";
import { GatewayError } from "../../core/errors.ts";
import type { Exchange } from "../../core/exchange.ts";
import { equalsIgnoreCase, Field, HeaderList } from "../../core/headers.ts";
import { failExchange, type PolicyRun } from "../pipeline.ts";
import { Passwords, type PasswordUser } from "./passwords.ts";
import { type Policy, Step } from "./policy.ts";
import { Waiting } from "./waiting.ts";

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const CONTROL = /\p{Cc}/u;

/** Of this data thread: each has modules of its own. Lives on over reloads, so that clients need not pay for them. */
let passwords: Passwords | null = null;

export function createBasicAuth(spec: BasicAuthSpec): Policy {
  passwords ??= new Passwords();
  return new BasicAuth(spec, passwords);
}

interface Credentials {
  readonly user: string;
  readonly password: string;
}

class BasicAuth implements Policy {
  readonly #hashes: ReadonlyMap<string, string>;
  /** What the password of nobody is compared with, so that it takes as long as that of somebody. */
  readonly #nobody: string;
  readonly #challenge: string;
  readonly #forward: boolean;
  readonly #passwords: Passwords;

  constructor({ realm, users, forward }: BasicAuthSpec, passwords: Passwords) {
    this.#hashes = new Map(users);
    this.#nobody = users[0]![1];
    this.#challenge = `Basic realm="${realm.replaceAll(/["\\]/g, "\\$&")}", charset="UTF-8"`;
    this.#forward = forward;
    this.#passwords = passwords;
  }

  enter(exchange: Exchange, run: PolicyRun): Step {
    const credentials = readCredentials(exchange.request.headers.findOnly("authorization"));
    if (credentials === null) return this.refuse(exchange, "expected a name and a password");
    const { user, password } = credentials;
    const hash = this.#hashes.get(user);
    const key = this.#passwords.keyOf(hash ?? this.#nobody, password);
    if (hash !== undefined && this.#passwords.isRemembered(key)) {
      this.admit(exchange, user);
      return Step.goOn;
    }
    const waiting = new BasicAuthWait(exchange, run, {
      policy: this,
      user,
      isKnown: hash !== undefined,
      key,
    });
    if (this.#passwords.compare(key, { password, hash: hash ?? this.#nobody }, waiting)) return Step.waits;
    waiting.overloaded("too many passwords wait to be compared");
    return Step.answered;
  }

  admit(exchange: Exchange, user: string): void {
    exchange.user = user;
    exchange.personal = true;
    if (!this.#forward) exchange.request.headers.removeNamed("authorization");
  }

  /** What was wrong, name or password, is nobody's business. */
  refuse(exchange: Exchange, message = "wrong name or password"): Step {
    const headers = new HeaderList();
    headers.add("WWW-Authenticate", this.#challenge, Field.other);
    failExchange(exchange, new GatewayError("unauthorized", message), headers);
    return Step.answered;
  }

  forget(key: string, user: PasswordUser): void {
    this.#passwords.forget(key, user);
  }
}

interface Asked {
  readonly policy: BasicAuth;
  readonly user: string;
  /** There is such a user. */
  readonly isKnown: boolean;
  readonly key: string;
}

/** An exchange whose password is being compared. */
class BasicAuthWait extends Waiting implements PasswordUser {
  readonly #asked: Asked;

  constructor(exchange: Exchange, run: PolicyRun, asked: Asked) {
    super(exchange, run);
    this.#asked = asked;
  }

  onCompared(isRight: boolean | null): void {
    const { policy, user, isKnown } = this.#asked;
    const { exchange } = this;
    if (isRight === null) {
      this.overloaded("passwords cannot be compared");
      return;
    }
    exchange.action = null;
    if (isRight && isKnown) {
      policy.admit(exchange, user);
      this.run.goOn();
    } else policy.refuse(exchange);
  }

  overloaded(message: string): void {
    this.exchange.action = null;
    failExchange(this.exchange, new GatewayError("auth_overloaded", message));
  }

  override onAborted(): void {
    this.#asked.policy.forget(this.#asked.key, this);
  }
}

/** Of `Basic <base64 of name:password>`; null for anything else. */
function readCredentials(field: string | null): Credentials | null {
  const space = field?.indexOf(" ") ?? -1;
  if (field === null || space < 0 || !equalsIgnoreCase(field.slice(0, space), "basic")) return null;
  const encoded = field.slice(space + 1).trimStart();
  if (!BASE64.test(encoded)) return null;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 0 || CONTROL.test(text)) return null;
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}
