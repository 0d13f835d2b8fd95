// The policy `error_pages`: sends a page of the configuration in place of the body of an error. Runs in data threads.

import type { ErrorPage, ErrorPagesSpec, PageVariable } from "../../config/snapshot.ts";
import { GatewayError } from "../../core/errors.ts";
import type { ClientStream, Exchange, ResponseHead } from "../../core/exchange.ts";
import { Field, type HeaderList } from "../../core/headers.ts";
import { reasonPhrase } from "../../core/status.ts";
import { acceptsPage } from "./accept.ts";
import { ClientLayer } from "./client-layer.ts";
import { type Policy, Step } from "./policy.ts";
import { addVary } from "./vary.ts";

const FIRST_STATUS = 400;
const LAST_STATUS = 599;

/** So much of a body that nobody gets is read, to keep the connection to the backend. */
const MOST_DISCARDED_BYTES = 65_536;

/** Fields that say something of the body that is not sent. */
const OF_BODY = [
  "accept-ranges",
  "content-digest",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-location",
  "content-md5",
  "content-range",
  "digest",
  "etag",
  "last-modified",
  "repr-digest",
];

export function createErrorPages(spec: ErrorPagesSpec): Policy | null {
  if (spec.pages.length === 0) return null;
  return {
    enter(exchange) {
      exchange.client = new ErrorPageLayer(exchange.client, spec, exchange);
      return Step.goOn;
    },
  };
}

class ErrorPageLayer extends ClientLayer {
  readonly #spec: ErrorPagesSpec;
  readonly #exchange: Exchange;
  /** The page was sent, and the exchange is over: what the action still says is for nobody. */
  #replaced = false;
  #discarded = 0;

  constructor(next: ClientStream, spec: ErrorPagesSpec, exchange: Exchange) {
    super(next);
    this.#spec = spec;
    this.#exchange = exchange;
  }

  override sendHead(head: ResponseHead, body: Buffer | null, last: boolean, lent = false): boolean {
    const page = this.#pageFor(head.status);
    if (page === null) return this.next.sendHead(head, body, last, lent);
    const { status, reason, headers } = head;
    const sent = Buffer.from(rendered(page, status, this.#exchange));
    describePage(headers, page);
    this.#replaced = true;
    this.next.sendHead({ status, reason, headers, bodyLength: sent.length }, sent, true);
    if (!last) this.#discard(body === null ? 0 : body.length);
    return true;
  }

  /** Null where the response stays what it is. */
  #pageFor(status: number): ErrorPage | null {
    if (status < FIRST_STATUS || status > LAST_STATUS) return null;
    const { error, request } = this.#exchange;
    if (error === null && !this.#spec.intercept) return null;
    const page = this.#spec.pages[this.#spec.byStatus[status - FIRST_STATUS]!] ?? null;
    return page !== null && acceptsPage(request.headers.find("accept"), page.mediaType) ? page : null;
  }

  /** A backend that has sent a short body may be used again; one that still wants some of the request may not. */
  #discard(bytes: number): void {
    this.#discarded += bytes;
    if (this.#discarded <= MOST_DISCARDED_BYTES && this.#exchange.request.bodyLength === 0) return;
    const { action } = this.#exchange;
    this.#exchange.action = null;
    action?.onAborted(
      new GatewayError("client_gone", "the client got an error page in place of the response"),
    );
  }

  override sendBody(chunk: Buffer, lent = false): boolean {
    if (!this.#replaced) return this.next.sendBody(chunk, lent);
    this.#discard(chunk.length);
    return true;
  }

  override sendEnd(trailers: HeaderList | null): void {
    if (!this.#replaced) this.next.sendEnd(trailers);
  }

  // The connection may be with the next exchange already.

  override cut(): void {
    if (!this.#replaced) this.next.cut();
  }

  override resumeBody(): void {
    if (!this.#replaced) this.next.resumeBody();
  }

  override pauseBody(): void {
    if (!this.#replaced) this.next.pauseBody();
  }
}

function describePage(headers: HeaderList, { type }: ErrorPage): void {
  headers.remove(Field.contentType);
  for (let i = 0; i < OF_BODY.length; i++) headers.removeNamed(OF_BODY[i]!);
  headers.add("Content-Type", type, Field.contentType);
  addVary(headers, "Accept");
}

function rendered({ parts, mediaType }: ErrorPage, status: number, exchange: Exchange): string {
  let text = "";
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    text += typeof part === "string" ? part : escaped(textOf(part.variable, status, exchange), mediaType);
  }
  return text;
}

function textOf(variable: PageVariable, status: number, exchange: Exchange): string {
  const { error, request } = exchange;
  switch (variable) {
    case "status":
      return String(status);
    case "reason":
      return reasonPhrase(status);
    case "code":
      return error?.code ?? "";
    case "method":
      return request.method;
    case "host":
      return request.authority;
    case "path":
      return request.path;
    case "route":
      return exchange.route;
    case "client":
      return exchange.clientAddress;
  }
}

/** What a client says must not become markup. */
function escaped(value: string, mediaType: string): string {
  if (mediaType === "text/html" || mediaType.endsWith("xml"))
    return value.replaceAll(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`);
  return mediaType.endsWith("json") ? JSON.stringify(value).slice(1, -1) : value;
}
