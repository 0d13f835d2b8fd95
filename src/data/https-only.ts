// Sees to it that clients come over https: sends those of plain HTTP there, and tells the others to stay. Runs in data
// threads.

import type { ServerSpec } from "../config/snapshot.ts";
import type { Exchange, ResponseHead } from "../core/exchange.ts";
import { HeaderList } from "../core/headers.ts";
import { ClientLayer } from "./policies/client-layer.ts";

/** What an authority asks over plain HTTP to see whose host it is (RFC 8555 section 8.3). */
const CHALLENGES = "/.well-known/acme-challenge/";
const HTTPS_PORT = 443;

export class HttpsOnly {
  /** With its colon, or empty; null where nobody is sent anywhere. */
  readonly #port: string | null;
  readonly #hsts: string | null;

  /** Null where there is nothing to see to. */
  static of(server: ServerSpec): HttpsOnly | null {
    return server.redirectToHttps || server.hsts !== null ? new HttpsOnly(server) : null;
  }

  private constructor({ redirectToHttps, httpsPort, hsts, listeners }: ServerSpec) {
    const port = httpsPort ?? listeners.find(({ tls }) => tls !== null)?.port ?? HTTPS_PORT;
    const shown = port === HTTPS_PORT ? "" : `:${port}`;
    this.#port = redirectToHttps ? shown : null;
    this.#hsts = hsts;
  }

  /** Returns whether the exchange was answered. One that a trusted proxy got over https did come that way. */
  answers(exchange: Exchange): boolean {
    const { client, request, scheme } = exchange;
    if (this.#hsts !== null && client.tls !== null) exchange.client = new HstsLayer(client, this.#hsts);
    if (this.#port === null || scheme === "https" || request.path.startsWith(CHALLENGES)) return false;
    // A client of HTTP/1.0 may name no host, and then it cannot be told where to go.
    if (request.host === "") return false;
    const path = request.path === "*" ? "/" : request.path;
    const headers = new HeaderList();
    headers.add("Location", `https://${request.host}${this.#port}${path}${request.query}`);
    client.sendHead({ status: 308, reason: "", headers, bodyLength: 0 }, null, true);
    return true;
  }
}

class HstsLayer extends ClientLayer {
  readonly #value: string;

  constructor(next: Exchange["client"], value: string) {
    super(next);
    this.#value = value;
  }

  override sendHead(head: ResponseHead, body: Buffer | null, last: boolean): boolean {
    const { headers } = head;
    if (headers.find("strict-transport-security") === null)
      headers.add("Strict-Transport-Security", this.#value);
    return this.next.sendHead(head, body, last);
  }
}
