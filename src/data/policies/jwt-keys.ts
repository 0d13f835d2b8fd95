// The keys that tokens are verified with: a secret, a set of public keys, or one that is fetched and kept up to date. Runs in
// data threads.
//
//   no keys yet ─▶ fetched, who asks waits ─▶ there ─▶ old: fetched again, the old ones go on
//        └─▶ failed: 503, for a while without another try     └─▶ a key is missing: fetched again, if that was not just now

import { createSecretKey } from "node:crypto";
import { createLocalJWKSet, errors, type JWTVerifyGetKey } from "jose";
import type { JwtKeys } from "../../config/snapshot.ts";
import { clockMs } from "../../core/clock.ts";
import type { Reporter } from "../reporter.ts";

const FETCH_TIMEOUT_MS = 5000;
/** After a failure it is tried again so soon, unless `jwks_cooldown` is less. */
const RETRY_MS = 5000;
const MAX_BYTES = 1024 * 1024;

/** There are no keys: whether a token is good cannot be said. */
export class NoKeys extends Error {}

/** Of this data thread, by address: live on over reloads as long as some snapshot has them. */
const fetchedSets = new Map<string, WeakRef<FetchedKeys>>();

/** Made while a snapshot is prepared: where keys are fetched, that begins now. */
export function createKeys(spec: JwtKeys, reporter: Reporter): JWTVerifyGetKey {
  if (spec.kind === "secret") {
    const secret = createSecretKey(Buffer.from(spec.secret));
    return async () => secret;
  }
  if (spec.kind === "set") return createLocalJWKSet(JSON.parse(spec.jwks));
  const id = JSON.stringify(spec);
  let keys = fetchedSets.get(id)?.deref();
  if (keys === undefined) {
    keys = new FetchedKeys(spec, reporter);
    fetchedSets.set(id, new WeakRef(keys));
  }
  const { get } = keys;
  return get;
}

type FetchedSpec = Extract<JwtKeys, { kind: "url" }>;

class FetchedKeys {
  readonly #spec: FetchedSpec;
  readonly #reporter: Reporter;
  #keys: JWTVerifyGetKey | null = null;
  #fetchedMs = 0;
  /** Before this, nothing is fetched. */
  #notBeforeMs = 0;
  #fetching: Promise<void> | null = null;

  constructor(spec: FetchedSpec, reporter: Reporter) {
    this.#spec = spec;
    this.#reporter = reporter;
    void this.#refresh();
  }

  readonly get: JWTVerifyGetKey = async (header, token) => {
    if (this.#keys === null) await this.#refresh();
    else if (clockMs() - this.#fetchedMs > this.#spec.refreshMs) void this.#refresh();
    const keys = this.#keys;
    if (keys === null) throw new NoKeys();
    try {
      return await keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.#refresh();
      // The same set has the same answer.
      if (this.#keys === null || this.#keys === keys) throw error;
      return await this.#keys(header, token);
    }
  };

  /** Never fails: without success, everything stays as it is. All who ask meanwhile share one attempt. */
  async #refresh(): Promise<void> {
    if (this.#fetching === null) {
      if (clockMs() < this.#notBeforeMs) return;
      this.#fetching = this.#fetch();
    }
    await this.#fetching;
  }

  async #fetch(): Promise<void> {
    const { url, cooldownMs } = this.#spec;
    try {
      this.#keys = createLocalJWKSet(JSON.parse(await fetchText(url)));
      this.#fetchedMs = clockMs();
      this.#notBeforeMs = this.#fetchedMs + cooldownMs;
    } catch (error) {
      this.#notBeforeMs = clockMs() + Math.min(RETRY_MS, cooldownMs);
      const message =
        this.#keys === null ? "there are no keys for tokens" : "keys for tokens are not renewed";
      this.#reporter.report("warn", `the keys of ${url}`, message, { url, reason: reasonOf(error) });
    } finally {
      this.#fetching = null;
    }
  }
}

async function fetchText(url: string): Promise<string> {
  const response = await fetch(url, {
    headers: { accept: "application/json, application/jwk-set+json" },
    redirect: "error",
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`expected status 200, found ${response.status}`);
  }
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of response.body ?? []) {
    bytes += piece.length;
    if (bytes > MAX_BYTES) throw new Error(`expected no more than ${MAX_BYTES} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

/** `fetch` says what was wrong in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
