// The light Request: as the native class. That of the gateway makes nothing until somebody asks. VM processes.
// biome-ignore-all lint/complexity/noArguments: WebIDL counts them, and a rest parameter would be an array for each call
import { formatWithOptions, type InspectOptions, inspect } from "node:util";
import { markAsUncloneable } from "node:worker_threads";
import { LightBody } from "./body.ts";
import { extractBody } from "./body-init.ts";
import { type BodyMethods, bodyMethods } from "./body-methods.ts";
import { FieldList } from "./field-list.ts";
import { LightHeaders, listOf } from "./headers.ts";
import { hasNoBody, needMode, readMethod } from "./request-method.ts";
import { DEFAULT_OPTIONS, type RequestOptions, readOptions } from "./request-options.ts";
import type { RequestSource } from "./request-source.ts";
import { settleUrl } from "./request-url.ts";
import { needArguments, needPrivate, presentAs } from "./web-class.ts";

/** In place of an input: a request that its maker fills. */
const BARE = Symbol("bare");

/** Where a request's signal comes from, if anybody asks. */
type SignalSource = Pick<RequestSource, "signal">;

export class LightRequest {
  #method = "GET";
  #url = "";
  #isUrlSettled = true;
  /** Made of `#lines` when somebody asks. */
  #headers: LightHeaders | null = null;
  #lines = "";
  #body: LightBody | null = null;
  #signalSource: SignalSource | null = null;
  #signal: AbortSignal | null = null;
  #options: RequestOptions = DEFAULT_OPTIONS;

  static of(source: RequestSource): LightRequest {
    const request = new LightRequest(BARE);
    request.#method = source.method;
    request.#url = source.url;
    request.#isUrlSettled = false;
    request.#lines = source.headerLines;
    if (source.body !== null) request.#body = LightBody.from(source.body);
    request.#signalSource = source;
    return request;
  }

  static isLight(request: unknown): request is LightRequest {
    return typeof request === "object" && request !== null && #method in request;
  }

  static bodyOf(request: LightRequest): LightBody | null {
    return request.#body;
  }

  static linesOf(request: LightRequest): string {
    return request.#headers === null ? request.#lines : listOf(request.#headers).lines();
  }

  static optionsOf(request: LightRequest): RequestOptions {
    return request.#options;
  }

  /** Null when nothing can abort the request. */
  static signalOf(request: LightRequest): AbortSignal | null {
    return request.#signalSource === null && request.#signal === null ? null : request.signal;
  }

  constructor(input: string | URL | LightRequest | typeof BARE, init: RequestInit | undefined = undefined) {
    markAsUncloneable(this);
    if (input === BARE) return;
    needArguments(arguments.length, 1, "Request constructor");
    if (init !== undefined && init !== null && typeof init !== "object" && typeof init !== "function") {
      throw new TypeError(`Request init: Expected ${String(init)} to be one of: Null, Undefined, Object.`);
    }
    const changes = (init ?? {}) as Record<string, unknown>;
    const base = isLight(input) ? input : null;
    if (base === null) this.#url = readUrl(String(input));
    else {
      this.#url = base.#url;
      this.#isUrlSettled = base.#isUrlSettled;
    }
    this.#options = readOptions(changes, base === null ? DEFAULT_OPTIONS : base.#options);
    this.#method = readMethod(changes["method"], base === null ? "GET" : base.#method);
    needMode(this.#options.mode, this.#method);
    this.#signalSource = signalSourceOf(changes["signal"], base);
    const headers = changes["headers"];
    if (headers !== undefined) this.#headers = new LightHeaders(headers);
    else if (base !== null) this.#copyHeaders(base);
    this.#setBody(changes, base);
  }

  get method(): string {
    return this.#method;
  }

  get url(): string {
    if (!this.#isUrlSettled) {
      this.#url = settleUrl(this.#url);
      this.#isUrlSettled = true;
    }
    return this.#url;
  }

  get headers(): LightHeaders {
    this.#headers ??= new LightHeaders(new FieldList(this.#lines));
    return this.#headers;
  }

  get destination(): string {
    needPrivate(#method in this);
    return "";
  }

  get referrer(): string {
    return this.#options.referrer;
  }

  get referrerPolicy(): string {
    return this.#options.referrerPolicy;
  }

  get mode(): string {
    return this.#options.mode;
  }

  get credentials(): string {
    return this.#options.credentials;
  }

  get cache(): string {
    return this.#options.cache;
  }

  get redirect(): string {
    return this.#options.redirect;
  }

  get integrity(): string {
    return this.#options.integrity;
  }

  get keepalive(): boolean {
    return this.#options.keepalive;
  }

  get isReloadNavigation(): boolean {
    needPrivate(#method in this);
    return false;
  }

  get isHistoryNavigation(): boolean {
    needPrivate(#method in this);
    return false;
  }

  get signal(): AbortSignal {
    this.#signal ??= this.#signalSource?.signal() ?? new AbortController().signal;
    return this.#signal;
  }

  get body(): ReadableStream<Uint8Array> | null {
    return this.#body === null ? null : this.#body.stream;
  }

  get bodyUsed(): boolean {
    return this.#body?.used ?? false;
  }

  get duplex(): string {
    needPrivate(#method in this);
    return "half";
  }

  clone(): LightRequest {
    if (this.#body?.unusable) throw new TypeError("unusable");
    const clone = new LightRequest(BARE);
    clone.#method = this.#method;
    clone.#url = this.#url;
    clone.#isUrlSettled = this.#isUrlSettled;
    clone.#options = this.#options;
    clone.#signalSource = following(this);
    clone.#copyHeaders(this);
    clone.#body = this.#body?.clone() ?? null;
    return clone;
  }

  declare readonly blob: BodyMethods["blob"];
  declare readonly arrayBuffer: BodyMethods["arrayBuffer"];
  declare readonly text: BodyMethods["text"];
  declare readonly json: BodyMethods["json"];
  declare readonly formData: BodyMethods["formData"];
  declare readonly bytes: BodyMethods["bytes"];
  declare readonly textStream: BodyMethods["textStream"];

  [inspect.custom](_depth: number | null, options: InspectOptions): string {
    if (options.depth === null) options.depth = 2;
    options.colors ??= true;
    const { method, url, headers, destination, referrer, referrerPolicy, mode, credentials, cache } = this;
    const { redirect, integrity, keepalive, isReloadNavigation, isHistoryNavigation, signal } = this;
    const shown = {
      ...{ method, url, headers, destination, referrer, referrerPolicy, mode, credentials, cache },
      ...{ redirect, integrity, keepalive, isReloadNavigation, isHistoryNavigation, signal },
    };
    return `Request ${formatWithOptions(options, shown)}`;
  }

  #copyHeaders(base: LightRequest): void {
    if (base.#headers === null) {
      this.#lines = base.#lines;
      return;
    }
    this.#headers = new LightHeaders(listOf(base.#headers).copy());
  }

  #setBody(init: Record<string, unknown>, base: LightRequest | null): void {
    const given = init["body"];
    const inherited = base === null ? null : base.#body;
    if (given === undefined || given === null) {
      if (inherited === null) return;
      // A client may send GET with a body, which no app may make; it goes on with the request that it came with.
      if (hasNoBody(this.#method) && this.#method !== base!.#method) throw noBody();
      if (inherited.unusable) {
        throw new TypeError("Cannot construct a Request with a Request object that has already been used.");
      }
      this.#body = inherited.move();
      return;
    }
    if (hasNoBody(this.#method)) throw noBody();
    const { body, type, replayable } = extractBody(given);
    if (!replayable && init["duplex"] === undefined) {
      throw new TypeError("RequestInit: duplex option is required when sending a body.");
    }
    this.#body = body;
    const fields = listOf(this.headers);
    if (type !== null && !fields.has("content-type")) fields.append("content-type", type);
  }
}

function noBody(): TypeError {
  return new TypeError("Request with GET/HEAD method cannot have body.");
}

function readUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new TypeError(`Failed to parse URL from ${text}`, { cause });
  }
  if (url.username === "" && url.password === "") return url.href;
  throw new TypeError(`Request cannot be constructed from a URL that includes credentials: ${text}`);
}

/** A signal of the new request's own that aborts with the given one, or with that of the request it is made from. */
function signalSourceOf(given: unknown, base: LightRequest | null): SignalSource | null {
  if (given === undefined) return base === null ? null : following(base);
  if (given === null) return null;
  if (given instanceof AbortSignal) return following({ signal: given });
  throw new TypeError(`RequestInit: Expected signal (${inspect(given)}) to be an instance of AbortSignal.`);
}

function following(request: { readonly signal: AbortSignal }): SignalSource {
  return { signal: () => AbortSignal.any([request.signal]) };
}

/** Taken by the rest of the VM's code, out of sight of apps. */
export const { of: lightRequestOf, isLight, bodyOf, linesOf, optionsOf, signalOf } = LightRequest;

Object.assign(
  LightRequest.prototype,
  bodyMethods({
    body: bodyOf as (message: object) => LightBody | null,
    contentType: (message) => (message as LightRequest).headers.get("content-type"),
  }),
);
presentAs(LightRequest, "Request", ["of", "isLight", "bodyOf", "linesOf", "optionsOf", "signalOf"]);
