// Keys that sign tokens, and a server that gives the public ones away. Runs in tests.

import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";

/** One that is undefined is left out. */
type Claims = Readonly<Record<string, unknown>>;

export class SigningKey {
  readonly jwk: JWK;
  readonly #alg: string;
  readonly #key: CryptoKey;

  static async make(alg: string, kid?: string): Promise<SigningKey> {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    return new SigningKey(alg, privateKey, {
      ...(await exportJWK(publicKey)),
      ...(kid === undefined ? {} : { kid }),
    });
  }

  private constructor(alg: string, key: CryptoKey, jwk: JWK) {
    this.#alg = alg;
    this.#key = key;
    this.jwk = jwk;
  }

  /** Valid for an hour, unless the claims say otherwise; `exp: undefined` for ever. */
  async sign(claims: Claims, header: Record<string, unknown> = {}): Promise<string> {
    const { kid } = this.jwk;
    return await new SignJWT({ exp: inSeconds(3600), ...claims })
      .setProtectedHeader({ alg: this.#alg, ...(kid === undefined ? {} : { kid }), ...header })
      .sign(this.#key);
  }
}

/** From now, as a claim has it. */
export function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}

/** Signed with a secret, as text or as whatever bytes. */
export async function signWithSecret(claims: Claims, secret: string, alg = "HS256"): Promise<string> {
  return await new SignJWT({ exp: inSeconds(3600), ...claims })
    .setProtectedHeader({ alg })
    .sign(new TextEncoder().encode(secret));
}

/** Put together by hand, whatever it is. */
export function rawToken(header: object, claims: object, signature = ""): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part(header)}.${part(claims)}.${signature}`;
}

export class KeyServer {
  keys: readonly JWK[] = [];
  /** Answers in place of the server, where it is set. */
  answer: ((request: IncomingMessage, response: ServerResponse) => void) | null = null;
  requests = 0;
  readonly #server: Server;

  static async start(): Promise<KeyServer> {
    const server = new KeyServer();
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    return server;
  }

  private constructor() {
    this.#server = createServer((request, response) => {
      this.requests++;
      if (this.answer !== null) this.answer(request, response);
      else response.end(JSON.stringify({ keys: this.keys }));
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/jwks.json`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
