// Takes a Response apart for the link: the light one without making anything, a native one (of fetch()) through its
// attributes. VM processes.
import { LightBody } from "./body.ts";
import { wasDecoded } from "./decoded.ts";
import { FieldList } from "./field-list.ts";
import { listOf } from "./headers.ts";
import type { BodyParts } from "./request-source.ts";
import { bodyOf, isLight, linesOf } from "./response.ts";
import { readResponseInit } from "./response-init.ts";

/** What leaves for the gateway. */
export interface ResponseParts {
  readonly status: number;
  readonly statusText: string;
  /** latin1 text, `name: value\r\n` for each field, `Set-Cookie` once for each cookie. */
  readonly headerLines: string;
  /** The pieces of a stream are whatever the app put in: they have to be checked when they are read. */
  readonly body: BodyParts;
  readonly webSocket: object | null;
}

/** Controls that the fetch standard lets pass and RFC 9110 section 5.5 does not. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
const UNSENDABLE = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;

/** Uses the body up. Throws TypeError for a body that was used, and for what no HTTP message can hold. */
export function partsOf(response: Response): ResponseParts {
  const parts = isLight(response) ? partsOfLight(response) : partsOfNative(response);
  if (parts.status === 0)
    throw new TypeError("Cannot send an error response: expected a status from 100 to 599");
  needSendable(parts.headerLines);
  const { body } = parts;
  if (body === null || typeof body === "string" || body instanceof Uint8Array || !wasDecoded(body))
    return parts;
  return { ...parts, headerLines: withoutEncoding(parts.headerLines) };
}

/** Nearly always the fields are those of the message before. */
let sendable = "";

/** Throws TypeError for header fields that no HTTP message can hold. */
export function needSendable(headerLines: string): void {
  if (headerLines === sendable) return;
  if (!UNSENDABLE.test(headerLines)) {
    sendable = headerLines;
    return;
  }
  const line = headerLines.split("\r\n").find((line) => UNSENDABLE.test(line));
  throw new TypeError(`Cannot send the header field ${JSON.stringify(line)}: expected no control characters`);
}

function partsOfLight(response: Parameters<typeof linesOf>[0]): ResponseParts {
  return {
    status: response.status,
    statusText: response.statusText,
    headerLines: linesOf(response),
    body: bodyOf(response)?.take() ?? null,
    webSocket: response.webSocket,
  };
}

/** Of fetch(), or of a framework's own class, whose body is often that of a light response inside. */
function partsOfNative(response: Response): ResponseParts {
  // Read as an init is: what such a class shows may be anything.
  const { status, statusText, headers, webSocket } = readResponseInit(response);
  const headerLines = headers === null ? "" : listOf(headers).lines();
  const body = response.body === null ? null : LightBody.ofStream(response.body).take();
  return { status, statusText, headerLines, body, webSocket };
}

/** What fetch() has decoded leaves as it is now. */
function withoutEncoding(headerLines: string): string {
  const fields = new FieldList(headerLines);
  fields.delete("content-encoding");
  fields.delete("content-length");
  return fields.lines();
}
