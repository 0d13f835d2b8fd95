// Balancer `sticky`: a cookie keeps a client with its backend; without one, shares go by weight. The cookie is a keyed hash
// (HMAC) of the backend's name: it tells nothing, nobody can make one without the secret, and as nothing is stored, it holds
// over restarts and on every gateway with the same secret. Runs in data threads.

import { createHmac } from "node:crypto";
import type { HashKey } from "../../../config/snapshot.ts";
import type { Exchange } from "../../../core/exchange.ts";
import { readHashKey } from "../hash-key.ts";
import type { Balancer, BalancerSetting, Candidate } from "./balancer.ts";
import { SmoothWeight } from "./weight.ts";

/** 128 bits: as hard to guess as any key, and 22 characters. */
const TOKEN_BYTES = 16;

export class Sticky implements Balancer {
  readonly #cookie: HashKey;
  /** Value of the cookie → index of the backend. */
  readonly #indexes = new Map<string, number>();
  /** Set-Cookie by index of the backend. */
  readonly #setCookies: string[] = [];
  readonly #weight: SmoothWeight;

  constructor(setting: BalancerSetting) {
    const { upstream, backends } = setting;
    const { cookie, secret, maxAge, secure } = setting.sticky;
    if (secret === null) {
      throw new Error(
        `Cannot sign the cookie "${cookie}" of upstream "${upstream}": expected a secret, got none`,
      );
    }
    const attributes = `Path=/; HttpOnly; SameSite=Lax${maxAge === null ? "" : `; Max-Age=${maxAge}`}${secure ? "; Secure" : ""}`;
    for (const { index, spec } of backends) {
      const token = createHmac("sha256", secret)
        .update(`${upstream}\0${spec.id}`)
        .digest()
        .toString("base64url", 0, TOKEN_BYTES);
      this.#indexes.set(token, index);
      this.#setCookies[index] = `${cookie}=${token}; ${attributes}`;
    }
    this.#cookie = { from: "cookie", name: cookie };
    this.#weight = new SmoothWeight(setting);
  }

  pick<Backend extends Candidate>(exchange: Exchange, candidates: readonly Backend[]): Backend {
    const token = readHashKey(exchange, this.#cookie);
    const index = token === null ? undefined : this.#indexes.get(token);
    if (index !== undefined) {
      for (let i = 0; i < candidates.length; i++) {
        if (candidates[i]!.index !== index) continue;
        // An attempt before this one may have gone elsewhere.
        exchange.setCookie = null;
        return candidates[i]!;
      }
    }
    const picked = this.#weight.pick(exchange, candidates);
    exchange.setCookie = this.#setCookies[picked.index]!;
    return picked;
  }
}
