// The policy `cors`: answers preflight requests, and tells browsers whose pages may read a response (the Fetch standard,
// section 3.3). What a backend says of that itself is left out. Runs in data threads.

import type { CorsSpec, OriginRules } from "../../config/snapshot.ts";
import type { ClientStream, Exchange, ResponseHead } from "../../core/exchange.ts";
import { Field, HeaderList } from "../../core/headers.ts";
import { ClientLayer } from "./client-layer.ts";
import { type Policy, Step } from "./policy.ts";
import { addVary } from "./vary.ts";

const NO_CONTENT = 204;
const OWN_FIELDS = [
  "access-control-allow-origin",
  "access-control-allow-credentials",
  "access-control-allow-methods",
  "access-control-allow-headers",
  "access-control-expose-headers",
  "access-control-max-age",
];

export function createCors(spec: CorsSpec): Policy {
  return {
    enter(exchange) {
      const { method, headers } = exchange.request;
      const origin = headers.findOnly("origin");
      const allowed = allowedOrigin(spec, origin);
      const asked = method === "OPTIONS" ? headers.find("access-control-request-method") : null;
      if (origin !== null && asked !== null) {
        answerPreflight(spec, exchange, allowed, asked);
        return Step.answered;
      }
      exchange.client = new CorsLayer(exchange.client, spec, allowed);
      return Step.goOn;
    },
  };
}

class CorsLayer extends ClientLayer {
  readonly #spec: CorsSpec;
  readonly #allowed: string;

  constructor(next: ClientStream, spec: CorsSpec, allowed: string) {
    super(next);
    this.#spec = spec;
    this.#allowed = allowed;
  }

  override sendHead(head: ResponseHead, body: Buffer | null, last: boolean, lent?: boolean): boolean {
    const { headers } = head;
    for (let i = 0; i < OWN_FIELDS.length; i++) headers.removeNamed(OWN_FIELDS[i]!);
    allow(this.#spec, headers, this.#allowed);
    if (this.#allowed !== "" && this.#spec.expose !== "")
      headers.add("Access-Control-Expose-Headers", this.#spec.expose, Field.other);
    return this.next.sendHead(head, body, last, lent);
  }
}

/** An origin that may not gets the same answer without a word of it: the browser does the rest. */
function answerPreflight(spec: CorsSpec, { client, request }: Exchange, allowed: string, asked: string) {
  const headers = new HeaderList();
  allow(spec, headers, allowed);
  addVary(headers, "Access-Control-Request-Method");
  addVary(headers, "Access-Control-Request-Headers");
  if (allowed !== "") {
    headers.add("Access-Control-Allow-Methods", spec.methods ?? asked, Field.other);
    const fields = spec.headers ?? request.headers.find("access-control-request-headers") ?? "";
    if (fields !== "") headers.add("Access-Control-Allow-Headers", fields, Field.other);
    if (spec.maxAge !== "") headers.add("Access-Control-Max-Age", spec.maxAge, Field.other);
  }
  client.sendHead({ status: NO_CONTENT, reason: "", headers, bodyLength: 0 }, null, true);
}

/** Caches must not take the response to one origin for that to another, also where there was none. */
function allow({ origins, credentials }: CorsSpec, headers: HeaderList, allowed: string): void {
  if (origins !== null) addVary(headers, "Origin");
  if (allowed === "") return;
  headers.add("Access-Control-Allow-Origin", allowed, Field.other);
  if (credentials) headers.add("Access-Control-Allow-Credentials", "true", Field.other);
}

/** What Access-Control-Allow-Origin says; empty for nothing. */
function allowedOrigin({ origins }: CorsSpec, origin: string | null): string {
  if (origins === null) return "*";
  return origin !== null && isAllowed(origins, origin) ? origin : "";
}

function isAllowed({ exact, below }: NonNullable<OriginRules>, origin: string): boolean {
  if (exact.includes(origin)) return true;
  for (let i = 0; i < below.length; i++) {
    const { start, end } = below[i]!;
    if (origin.length <= start.length + end.length || !origin.startsWith(start) || !origin.endsWith(end))
      continue;
    if (isName(origin, start.length, origin.length - end.length)) return true;
  }
  return false;
}

/** Whether that part of an origin is labels of a name and nothing else: no port, user or path that would hide the host. */
function isName(origin: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const code = origin.charCodeAt(i);
    const isLetter = code >= 97 && code <= 122;
    const isDigit = code >= 48 && code <= 57;
    // `-`, `.`, `_`
    if (!isLetter && !isDigit && code !== 45 && code !== 46 && code !== 95) return false;
  }
  return origin.charCodeAt(start) !== 46;
}
