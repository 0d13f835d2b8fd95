// The head of a request as a backend gets it.

import type { BackendSpec, ProxySpec } from "../../config/snapshot.ts";
import { authorityOf } from "../../core/authority.ts";
import { type Exchange, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { Field } from "../../core/headers.ts";
import { renderTemplate } from "../../core/template.ts";
import { forwardedLines } from "../forwarded.ts";
import { hasToken } from "../http1/fields.ts";
import type { OutgoingHead } from "../upstream/backend-connection.ts";

/** Of one connection of HTTP/1.1 (RFC 9113 section 8.2.2). */
const NOT_OF_HTTP2 = new Set(["connection", "transfer-encoding", "upgrade"]);

/** Made once per exchange: a repeated attempt sends the same, but for a Host that the client did not name. */
export class ForwardedHead implements OutgoingHead {
  readonly method: string;
  readonly upgrade: string | null;
  readonly bodyLength: number;
  readonly #start: string;
  readonly #host: string;
  readonly #fields: string;

  /** Takes fields out of the request that only the client's connection is concerned with. */
  constructor(exchange: Exchange, spec: ProxySpec, realIpHeader: string) {
    const { request } = exchange;
    const { headers, bodyLength, upgrade } = request;
    this.method = request.method;
    this.upgrade = upgrade;
    this.bodyLength = bodyLength;
    const te = headers.join(Field.te);
    const forwarded = exchange.forwarded ?? forwardedLines(exchange, realIpHeader);
    headers.remove(Field.host);
    let fields = `\r\n${headers.forwardLines()}${forwarded}`;
    if (bodyLength === UNKNOWN_LENGTH) fields += "Transfer-Encoding: chunked\r\n";
    else if (bodyLength > 0 || headers.ids.includes(Field.contentLength))
      fields += `Content-Length: ${bodyLength}\r\n`;
    if (upgrade !== null) fields += `Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n`;
    else if (te !== null && hasToken(te, "trailers")) fields += "TE: trailers\r\nConnection: TE\r\n";
    this.#start = `${request.method} ${targetOf(exchange, spec)} HTTP/1.1\r\nHost: `;
    this.#host = exchange.backendHost || request.authority;
    this.#fields = `${fields}\r\n`;
  }

  fieldsFor(backend: BackendSpec): string[] {
    const [method = "", path = ""] = this.#start.split(" ", 2);
    const fields = [":method", method, ":scheme", backend.tls === null ? "http" : "https"];
    fields.push(":authority", this.#host === "" ? ownHost(backend) : this.#host, ":path", path);
    // Between an empty line before and two behind.
    for (const line of this.#fields.slice(2, -4).split("\r\n")) {
      const colon = line.indexOf(":");
      const name = line.slice(0, colon).toLowerCase();
      if (colon > 0 && !NOT_OF_HTTP2.has(name)) fields.push(name, line.slice(colon + 2));
    }
    return fields;
  }

  textFor(backend: BackendSpec): string {
    return this.#start + (this.#host === "" ? ownHost(backend) : this.#host) + this.#fields;
  }
}

function targetOf(exchange: Exchange, { stripPrefix, rewrite }: ProxySpec): string {
  const { path, query } = exchange.request;
  if ((stripPrefix === null && rewrite === null) || path === "*") return path + query;
  const rest = stripPrefix === null ? path : withoutPrefix(path, stripPrefix);
  if (rewrite === null) return rest + query;
  return renderTemplate(rewrite, exchange, rest);
}

/** What a client of HTTP/1.0 that names no host is taken to mean. */
function ownHost({ hostName, port, socketPath }: BackendSpec): string {
  if (socketPath !== null) return "localhost";
  return authorityOf(hostName, port);
}

/** A prefix ends at the border of a segment: `/api` is none of `/apix`. */
export function withoutPrefix(path: string, prefix: string): string {
  if (!path.startsWith(prefix)) return path;
  const rest = path.slice(prefix.length);
  if (rest.startsWith("/")) return rest;
  return rest === "" || prefix.endsWith("/") ? `/${rest}` : path;
}
