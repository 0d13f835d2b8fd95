// The method of a Request as the fetch standard has it. VM processes.
import { byteString, isToken } from "./field-syntax.ts";

const NORMALIZED = ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "QUERY"];
const FORBIDDEN = ["CONNECT", "TRACE", "TRACK"];
const WITHOUT_CORS = ["GET", "HEAD", "POST"];

/** Throws TypeError. */
export function readMethod(value: unknown, fallback: string): string {
  if (value === undefined) return fallback;
  const method = byteString(value, "Request constructor: method");
  if (!isToken(method)) throw new TypeError(`'${method}' is not a valid HTTP method.`);
  const upper = method.toUpperCase();
  if (FORBIDDEN.includes(upper)) throw new TypeError(`'${method}' HTTP method is unsupported.`);
  return NORMALIZED.includes(upper) ? upper : method;
}

export function hasNoBody(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

/** Throws TypeError for a method that asks for more than the mode allows. */
export function needMode(mode: string, method: string): void {
  if (mode === "no-cors" && !WITHOUT_CORS.includes(method)) {
    throw new TypeError(`'${method} is unsupported in no-cors mode.`);
  }
}
