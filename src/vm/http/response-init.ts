// Reads the init of a Response: status, its text, header fields. VM processes.
import { byteString } from "./field-syntax.ts";
import { LightHeaders } from "./headers.ts";

export interface ReadResponseInit {
  readonly status: number;
  readonly statusText: string;
  readonly headers: LightHeaders | null;
  readonly webSocket: object | null;
}

const REASON_PHRASE = /^[\t\x20-\x7e\x80-\xff]*$/;
const NULL_BODY = [101, 204, 205, 304];

/** In the order in which WebIDL reads an init: getters of an app may see it. Throws TypeError or RangeError. */
export function readResponseInit(init: unknown): ReadResponseInit {
  if (typeof init !== "object" && typeof init !== "function") {
    throw new TypeError(`Response init: Expected ${String(init)} to be one of: Null, Undefined, Object.`);
  }
  const { headers: fields, status: given, statusText, webSocket } = init as Record<string, unknown>;
  const headers = fields === undefined ? null : new LightHeaders(fields);
  const status = given === undefined ? 200 : unsignedShort(given);
  const text = statusText === undefined ? "" : byteString(statusText, "Response init: statusText");
  const socket = webSocketOf(webSocket, status);
  if (socket === null && (status < 200 || status > 599)) {
    throw new RangeError('init["status"] must be in the range of 200 to 599, inclusive.');
  }
  if (!REASON_PHRASE.test(text)) throw new TypeError("Invalid statusText");
  return { status, statusText: text, headers, webSocket: socket };
}

/** Throws TypeError for a status whose responses have no body. */
export function needBodyStatus(status: number): void {
  if (NULL_BODY.includes(status)) {
    throw new TypeError(`Response constructor: Invalid response status code ${status}`);
  }
}

function webSocketOf(value: unknown, status: number): object | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== "object") {
    throw new TypeError(
      `Cannot use ${String(value)} as the webSocket of a Response: expected one of a WebSocketPair`,
    );
  }
  if (status === 101) return value;
  throw new RangeError(`A Response with a webSocket has status 101, got ${status}`);
}

/** As the native class converts to `unsigned short`: modulo 65536. */
function unsignedShort(value: unknown): number {
  const number = Math.trunc(Number(value));
  return Number.isFinite(number) ? number % 65536 : 0;
}
