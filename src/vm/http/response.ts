// The light Response: as the native class, and nothing is made for one with a body at hand but what leaves. VM processes.
// biome-ignore-all lint/complexity/noArguments: WebIDL counts them, and a rest parameter would be an array for each call
import { formatWithOptions, type InspectOptions, inspect } from "node:util";
import { markAsUncloneable } from "node:worker_threads";
import { LightBody } from "./body.ts";
import { extractBody } from "./body-init.ts";
import { type BodyMethods, bodyMethods } from "./body-methods.ts";
import { FieldList } from "./field-list.ts";
import { isImmutable, LightHeaders, listOf } from "./headers.ts";
import type { BodySource } from "./request-source.ts";
import { needBodyStatus, type ReadResponseInit, readResponseInit } from "./response-init.ts";
import { needArguments, needPrivate, presentAs } from "./web-class.ts";

/** In place of a body: a response that its maker fills. */
const BARE = Symbol("bare");
const TEXT_LINES = "content-type: text/plain;charset=UTF-8\r\n";
const JSON_TYPE = "application/json";
const JSON_LINES = `content-type: ${JSON_TYPE}\r\n`;
const REDIRECTS = [301, 302, 303, 307, 308];

export class LightResponse {
  #status = 200;
  #statusText = "";
  /** Made of `#lines` when somebody asks. */
  #headers: LightHeaders | null = null;
  #lines = "";
  #body: LightBody | null = null;
  /** `error` for that of `Response.error()`. */
  #type: "default" | "error" = "default";
  #webSocket: object | null = null;

  static error(): LightResponse {
    const response = new LightResponse(BARE);
    response.#status = 0;
    response.#type = "error";
    response.#headers = new LightHeaders(new FieldList(), true);
    return response;
  }

  static json(data: unknown, init: ResponseInit | undefined = undefined): LightResponse {
    needArguments(arguments.length, 1, "Response.json");
    const response = new LightResponse(BARE);
    const read = init === undefined || init === null ? null : readResponseInit(init);
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError("Value is not JSON serializable");
    response.#body = LightBody.of(text);
    if (read === null) response.#lines = JSON_LINES;
    else response.#setInit(read, JSON_TYPE);
    return response;
  }

  static redirect(url: string | URL, status = 302): LightResponse {
    needArguments(arguments.length, 1, "Response.redirect");
    const text = String(url);
    let location: string;
    try {
      location = new URL(text).href;
    } catch (cause) {
      throw new TypeError(`Failed to parse URL from ${text}`, { cause });
    }
    if (!REDIRECTS.includes(Number(status))) throw new RangeError(`Invalid status code ${status}`);
    const response = new LightResponse(BARE);
    response.#status = Number(status);
    const fields = new FieldList();
    fields.append("location", location);
    response.#headers = new LightHeaders(fields, true);
    return response;
  }

  /** `lines` are latin1 text, `name: value\r\n` for each field. */
  static of(status: number, statusText: string, lines: string, source: BodySource | null): LightResponse {
    const response = new LightResponse(BARE);
    response.#status = status;
    response.#statusText = statusText;
    response.#lines = lines;
    if (source !== null) response.#body = LightBody.from(source);
    return response;
  }

  static isLight(response: object): response is LightResponse {
    return #status in response;
  }

  static bodyOf(response: LightResponse): LightBody | null {
    return response.#body;
  }

  /** The text of its header fields, without making a Headers. */
  static linesOf(response: LightResponse): string {
    return response.#headers === null ? response.#lines : listOf(response.#headers).lines();
  }

  constructor(body: unknown = null, init: ResponseInit | undefined = undefined) {
    markAsUncloneable(this);
    if (body === BARE) return;
    const typed = body === null || body === undefined ? null : extractBody(body);
    if (typed !== null) this.#body = typed.body;
    if (init === undefined || init === null) {
      if (typeof body === "string") this.#lines = TEXT_LINES;
      else if (typed?.type) this.#lines = `content-type: ${typed.type}\r\n`;
    } else {
      this.#setInit(readResponseInit(init), typed?.type ?? null);
    }
  }

  get type(): string {
    return this.#type;
  }

  get url(): string {
    needPrivate(#status in this);
    return "";
  }

  get redirected(): boolean {
    needPrivate(#status in this);
    return false;
  }

  get status(): number {
    return this.#status;
  }

  get ok(): boolean {
    return this.#status >= 200 && this.#status <= 299;
  }

  get statusText(): string {
    return this.#statusText;
  }

  get headers(): LightHeaders {
    this.#headers ??= new LightHeaders(new FieldList(this.#lines));
    return this.#headers;
  }

  get body(): ReadableStream<Uint8Array> | null {
    return this.#body === null ? null : this.#body.stream;
  }

  get bodyUsed(): boolean {
    return this.#body?.used ?? false;
  }

  /** Null for a native response too: those of fetch() inherit this. */
  get webSocket(): object | null {
    return #webSocket in this ? this.#webSocket : null;
  }

  clone(): LightResponse {
    if (this.#webSocket !== null)
      throw new TypeError("Response.clone: A response with a webSocket is one of a kind.");
    if (this.#body?.unusable) throw new TypeError("Response.clone: Body has already been consumed.");
    const clone = new LightResponse(BARE);
    clone.#status = this.#status;
    clone.#statusText = this.#statusText;
    clone.#lines = this.#lines;
    clone.#type = this.#type;
    clone.#body = this.#body?.clone() ?? null;
    if (this.#headers !== null) {
      clone.#headers = new LightHeaders(listOf(this.#headers).copy(), isImmutable(this.#headers));
    }
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
    const { status, statusText, headers, body, bodyUsed, ok, redirected, type, url } = this;
    const shown = { status, statusText, headers, body, bodyUsed, ok, redirected, type, url };
    return `Response ${formatWithOptions(options, shown)}`;
  }

  #setInit(init: ReadResponseInit, contentType: string | null): void {
    if (this.#body !== null) needBodyStatus(init.status);
    this.#status = init.status;
    this.#statusText = init.statusText;
    this.#webSocket = init.webSocket;
    this.#headers = init.headers;
    if (contentType === null) return;
    if (init.headers === null) {
      this.#lines = `content-type: ${contentType}\r\n`;
    } else {
      const fields = listOf(init.headers);
      if (!fields.has("content-type")) fields.append("content-type", contentType);
    }
  }
}

/** Taken by the rest of the VM's code, out of sight of apps. */
export const { of: lightResponseOf, isLight, bodyOf, linesOf } = LightResponse;

Object.assign(
  LightResponse.prototype,
  bodyMethods({
    body: bodyOf as (message: object) => LightBody | null,
    contentType: (message) => (message as LightResponse).headers.get("content-type"),
  }),
);
presentAs(LightResponse, "Response", ["of", "isLight", "bodyOf", "linesOf"]);
Object.defineProperty(LightResponse.prototype, "webSocket", { enumerable: false });
