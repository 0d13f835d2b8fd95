// What a parsed request head means: target, host, framing, persistence (RFC 9112 sections 3, 6 and 9). Every doubt is an error.

import { GatewayError } from "../../core/errors.ts";
import { type RequestHead, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { equalsIgnoreCase, Field, type HeaderList } from "../../core/headers.ts";
import { readHost, readPath, type Target } from "../target.ts";
import { hasToken, readContentLength, removeNamedByConnection } from "./fields.ts";
import type { HeadFault, HeadParser } from "./head-parser.ts";

/** A request head and what it says of its connection. */
export interface IncomingRequest {
  readonly head: RequestHead;
  /** Whether the client wants the connection kept after the response. */
  readonly keepAlive: boolean;
  readonly expectsContinue: boolean;
}

export function readRequestHead(parser: HeadParser): IncomingRequest | GatewayError {
  const { headers, method, minorVersion } = parser;
  const scan = scanFields(headers);
  const bodyLength = readBodyLength(scan, headers, minorVersion);
  if (bodyLength instanceof GatewayError) return bodyLength;

  const target = readTarget(parser.target, method);
  if (target instanceof GatewayError) return target;

  if (scan.hosts === 0 && minorVersion === 1) return malformed("no Host field: expected exactly one");
  if (scan.hosts > 1) return malformed("more than one Host field: expected exactly one");
  const named = scan.hosts === 0 ? "" : headers.get(Field.host)!;
  const namedHost = scan.hosts === 0 ? "" : readHost(named);
  if (namedHost === null) return malformed(`Host "${named}": expected a host and at most a port`);
  // An absolute-form target replaces Host (RFC 9112 section 3.2.2).
  const authority = target.authority ?? named;
  const host = target.authority === null ? namedHost : readHost(target.authority)!;

  const connection = headers.join(Field.connection);
  const close = connection !== null && hasToken(connection, "close");
  const keepAlive =
    !close && (minorVersion === 1 || (connection !== null && hasToken(connection, "keep-alive")));

  const expectsContinue = scan.expects && minorVersion === 1;
  if (expectsContinue && !equalsIgnoreCase(headers.join(Field.expect)!, "100-continue")) {
    const value = headers.join(Field.expect);
    return new GatewayError("expectation_unsupported", `Expect "${value}": expected 100-continue`);
  }

  let upgrade: string | null = null;
  if (
    scan.upgrades &&
    minorVersion === 1 &&
    bodyLength === 0 &&
    connection !== null &&
    hasToken(connection, "upgrade")
  ) {
    upgrade = offeredProtocols(headers.join(Field.upgrade)!);
  }
  if (connection !== null) removeNamedByConnection(headers, connection);

  return {
    head: {
      method,
      path: target.path,
      query: target.query,
      authority,
      host,
      protocol: minorVersion === 1 ? "HTTP/1.1" : "HTTP/1.0",
      headers,
      bodyLength,
      upgrade,
    },
    keepAlive,
    expectsContinue: expectsContinue && bodyLength !== 0,
  };
}

const FAULT_CODES = {
  malformed: "request_malformed",
  version: "version_unsupported",
  line_too_long: "request_line_too_long",
  fields_too_large: "header_fields_too_large",
} as const satisfies Record<HeadFault, string>;

/** The error of a head that the parser refused. */
export function headFault(parser: HeadParser): GatewayError {
  return new GatewayError(FAULT_CODES[parser.fault], parser.message);
}

function malformed(message: string): GatewayError {
  return new GatewayError("request_malformed", message);
}

interface FieldScan {
  hosts: number;
  lengths: number;
  codings: number;
  expects: boolean;
  upgrades: boolean;
}

/** Counts the fields that decide about host and framing, in one pass. */
function scanFields(headers: HeaderList): FieldScan {
  const scan: FieldScan = { hosts: 0, lengths: 0, codings: 0, expects: false, upgrades: false };
  const ids = headers.ids;
  for (let i = 0; i < ids.length; i++) {
    switch (ids[i]) {
      case Field.host:
        scan.hosts++;
        break;
      case Field.contentLength:
        scan.lengths++;
        break;
      case Field.transferEncoding:
        scan.codings++;
        break;
      case Field.expect:
        scan.expects = true;
        break;
      case Field.upgrade:
        scan.upgrades = true;
        break;
    }
  }
  return scan;
}

const CODED_AND_CHUNKED = /^(?!chunked\b)[\w-]+[ \t]*,[ \t]*chunked$/i;

function readBodyLength(scan: FieldScan, headers: HeaderList, minorVersion: number): number | GatewayError {
  if (scan.codings > 0) {
    if (scan.lengths > 0)
      return malformed("both Content-Length and Transfer-Encoding: expected at most one of them");
    if (minorVersion === 0)
      return malformed("Transfer-Encoding in an HTTP/1.0 request: expected Content-Length");
    const coding = headers.join(Field.transferEncoding)!;
    if (equalsIgnoreCase(coding, "chunked")) return UNKNOWN_LENGTH;
    const message = `Transfer-Encoding "${coding}": expected chunked`;
    // A coding under `chunked` is only unknown; without `chunked` as the last one nobody knows where the body ends.
    return CODED_AND_CHUNKED.test(coding)
      ? new GatewayError("transfer_coding_unsupported", message)
      : malformed(message);
  }
  if (scan.lengths === 0) return 0;
  if (scan.lengths > 1) return malformed("more than one Content-Length: expected at most one");
  const value = headers.get(Field.contentLength)!;
  const length = readContentLength(value);
  return length ?? malformed(`Content-Length "${value}": expected decimal digits of a number below 2^53`);
}

const ABSOLUTE_FORM = /^https?:\/\//i;

function readTarget(target: string, method: string): Target | GatewayError {
  if (method === "CONNECT") {
    return new GatewayError("method_unsupported", `CONNECT "${target}": this gateway is not a forward proxy`);
  }
  if (target.charCodeAt(0) === 0x2f) return readPath(target, null);
  if (target === "*" && method === "OPTIONS") return { path: "*", query: "", authority: null };
  const scheme = ABSOLUTE_FORM.exec(target);
  if (scheme === null) {
    return malformed(
      `request target "${target}": expected a path that starts with "/", or an http:// address`,
    );
  }
  const rest = target.slice(scheme[0].length);
  const end = rest.search(/[/?#]/);
  const authority = end < 0 ? rest : rest.slice(0, end);
  if (readHost(authority) === null) {
    return malformed(`request target "${target}": expected a host and at most a port before the path`);
  }
  if (end < 0) return { path: method === "OPTIONS" ? "*" : "/", query: "", authority };
  const path = rest.slice(end);
  return readPath(path.charCodeAt(0) === 0x2f ? path : `/${path}`, authority);
}

/** h2c is never offered onwards: a tunnel that speaks HTTP/2 would pass every rule of the gateway by. */
function offeredProtocols(upgrade: string): string | null {
  const lower = upgrade.toLowerCase();
  return lower === "" || hasToken(lower, "h2c") ? null : lower;
}
