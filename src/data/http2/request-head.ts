// What the fields of a request in HTTP/2 mean: target, host, framing (RFC 9113 sections 8.2, 8.3 and 8.5, RFC 8441). Every
// doubt is an error. Runs in data threads.

import { randomBytes } from "node:crypto";
import { GatewayError } from "../../core/errors.ts";
import { type RequestHead, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { equalsIgnoreCase, Field } from "../../core/headers.ts";
import { readContentLength } from "../http1/fields.ts";
import type { HeadLimits } from "../http1/head-parser.ts";
import { isAll, TOKEN } from "../http1/tables.ts";
import { readHost, readPath, type Target } from "../target.ts";
import { FieldCollector } from "./fields.ts";

/** A request head and what it says of its stream. */
export interface IncomingStream {
  readonly head: RequestHead;
  readonly expectsContinue: boolean;
  /** The key that the gateway sends for a client that asks for a WebSocket (RFC 8441), else null. */
  readonly webSocketKey: string | null;
}

const COLON = 0x3a;

const collector = new FieldCollector();

/** `raw` has names and values by turns, `ended` is whether the stream ends with them. */
export function readStreamHead(
  raw: readonly string[],
  ended: boolean,
  limits: HeadLimits,
): IncomingStream | GatewayError {
  const pseudo: PseudoFields = { method: null, scheme: null, path: null, authority: null, protocol: null };
  let named: string | null = null;
  let length: number | null = null;
  let expectsContinue = false;
  let first = 0;
  for (; first < raw.length && raw[first]!.charCodeAt(0) === COLON; first += 2) {
    const fault = setPseudo(pseudo, raw[first]!, raw[first + 1]!);
    if (fault !== null) return malformed(fault);
  }
  const { method, authority } = pseudo;
  if (method === null || !isAll(TOKEN, method))
    return malformed(`:method ${shown(method)}: expected a token`);
  const fields = collector;
  fields.begin();
  for (let i = first; i < raw.length; i += 2) {
    const value = raw[i + 1]!;
    const id = fields.add(raw[i]!, value);
    if (typeof id === "string") return malformed(id);
    if (id === Field.other) continue;
    switch (id) {
      case Field.connection:
      case Field.keepAlive:
      case Field.proxyConnection:
      case Field.transferEncoding:
      case Field.upgrade:
        return malformed(`field "${raw[i]}": expected none of those that belong to a connection of HTTP/1`);
      case Field.te:
        if (!equalsIgnoreCase(value, "trailers")) return malformed(`te "${value}": expected trailers`);
        break;
      case Field.host:
        if (named !== null) return malformed("more than one host field: expected at most one");
        named = value;
        break;
      case Field.contentLength:
        if (length !== null) return malformed("more than one content-length: expected at most one");
        length = readContentLength(value);
        if (length === null)
          return malformed(`content-length "${value}": expected decimal digits of a number below 2^53`);
        break;
      case Field.expect:
        if (!equalsIgnoreCase(value, "100-continue"))
          return new GatewayError("expectation_unsupported", `expect "${value}": expected 100-continue`);
        expectsContinue = true;
        break;
    }
  }
  const tooLarge = beyondLimits(pseudo, fields, limits);
  if (tooLarge !== null) return tooLarge;
  if (ended && length !== null && length > 0)
    return malformed(`content-length ${length} of a request that ends with its head: expected 0`);

  const isConnect = method === "CONNECT";
  if (isConnect) {
    const fault = connectFault(pseudo);
    if (fault !== null) return fault;
  } else if (pseudo.protocol !== null) {
    return malformed(`:protocol with method "${method}": expected CONNECT`);
  }
  const { scheme } = pseudo;
  if (scheme !== "http" && scheme !== "https")
    return malformed(`:scheme ${shown(scheme)}: expected http or https`);
  const target = readTarget(pseudo.path, method);
  if (target instanceof GatewayError) return target;

  const whole = authority ?? named;
  if (whole === null) return malformed("no :authority and no host: expected one of them");
  const host = readHost(whole);
  if (host === null) return malformed(`:authority "${whole}": expected a host and at most a port`);
  if (named === null) fields.add("host", whole);
  else if (named !== whole && named.toLowerCase() !== whole.toLowerCase())
    return malformed(`host "${named}" beside :authority "${whole}": expected the same`);

  const headers = fields.take();
  const webSocketKey = isConnect ? randomBytes(16).toString("base64") : null;
  if (webSocketKey !== null) {
    headers.removeNamed("sec-websocket-key");
    headers.add("sec-websocket-key", webSocketKey);
  }
  const { path, query } = target;
  return {
    head: {
      method: isConnect ? "GET" : method,
      path,
      query,
      authority: whole,
      host,
      protocol: "HTTP/2.0",
      headers,
      bodyLength: ended || isConnect ? 0 : (length ?? UNKNOWN_LENGTH),
      upgrade: isConnect ? "websocket" : null,
    },
    expectsContinue: expectsContinue && !ended,
    webSocketKey,
  };
}

interface PseudoFields {
  method: string | null;
  scheme: string | null;
  path: string | null;
  authority: string | null;
  protocol: string | null;
}

const PSEUDO_FIELDS: Readonly<Record<string, keyof PseudoFields>> = {
  ":method": "method",
  ":scheme": "scheme",
  ":path": "path",
  ":authority": "authority",
  ":protocol": "protocol",
};

function setPseudo(pseudo: PseudoFields, name: string, value: string): string | null {
  const key = PSEUDO_FIELDS[name];
  if (key === undefined)
    return `field "${name}": expected no other than ${Object.keys(PSEUDO_FIELDS).join(", ")}`;
  if (pseudo[key] !== null) return `more than one ${name}: expected one`;
  pseudo[key] = value;
  return null;
}

/** As for HTTP/1, whose request line the pseudo-fields are. */
function beyondLimits(
  { method, path }: PseudoFields,
  { bytes, count }: FieldCollector,
  { lineBytes, headerBytes, headerCount }: HeadLimits,
): GatewayError | null {
  if ((method?.length ?? 0) + (path?.length ?? 0) + " HTTP/1.1\r\n ".length > lineBytes)
    return new GatewayError(
      "request_line_too_long",
      `:method and :path: expected at most ${lineBytes} bytes`,
    );
  if (bytes > headerBytes)
    return new GatewayError("header_fields_too_large", `fields: expected at most ${headerBytes} bytes`);
  if (count > headerCount)
    return new GatewayError("header_fields_too_large", `fields: expected at most ${headerCount}`);
  return null;
}

function connectFault({ authority, protocol }: PseudoFields): GatewayError | null {
  if (protocol === null)
    return new GatewayError(
      "method_unsupported",
      `CONNECT "${authority}": this gateway is not a forward proxy`,
    );
  if (!equalsIgnoreCase(protocol, "websocket"))
    return new GatewayError("method_unsupported", `:protocol "${protocol}": expected websocket`);
  return null;
}

function readTarget(path: string | null, method: string): Target | GatewayError {
  if (path === null) return malformed("no :path: expected one");
  if (path === "*" && method === "OPTIONS") return { path: "*", query: "", authority: null };
  return readPath(path, null);
}

function shown(value: string | null): string {
  return value === null ? "(none)" : JSON.stringify(value);
}

function malformed(message: string): GatewayError {
  return new GatewayError("request_malformed", message);
}
