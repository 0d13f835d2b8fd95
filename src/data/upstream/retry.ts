// Whether a failed attempt at a backend may be made again without the risk of doing something twice.

import type { RetrySpec } from "../../config/snapshot.ts";
import { ERRORS, type ErrorCode } from "../../core/errors.ts";

export interface Attempt {
  readonly method: string;
  /** No backend has looked at any of the request. */
  readonly unsent: boolean;
  /** What was sent of the request body is kept, or nothing was. */
  readonly repeatable: boolean;
  /** Requests sent so far. */
  readonly sent: number;
}

/** RFC 9110 section 9.2.2. */
const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method);
}

/** Whether the backend has looked at nothing of the request: there was no connection to send it on, or it said so. */
export function isUnseen(code: ErrorCode): boolean {
  return ERRORS[code].retry === "always";
}

/**
 * Moving on: a request that no backend has looked at may go to another backend, whatever it is. Repeating: one that was sent may
 * have been carried out, so it has to be idempotent, and the route has to want it. The caller asks the retry budget.
 */
export function mayRetry(code: ErrorCode, attempt: Attempt, retry: RetrySpec): "moves on" | "repeats" | "no" {
  if (!attempt.repeatable) return "no";
  if (attempt.unsent) return isUnseen(code) ? "moves on" : "no";
  if (attempt.sent >= retry.attempts || !isIdempotent(attempt.method)) return "no";
  switch (code) {
    case "upstream_closed":
    case "response_truncated":
      return retry.onClosed ? "repeats" : "no";
    case "response_malformed":
      return retry.onMalformed ? "repeats" : "no";
    case "response_timeout":
      return retry.onTimeout ? "repeats" : "no";
    default:
      return "no";
  }
}

/** The same for an answer whose status the route does not want to pass on. */
export function mayRetryStatus(status: number, attempt: Attempt, retry: RetrySpec): boolean {
  if (!retry.statuses.includes(status) || attempt.sent >= retry.attempts) return false;
  return attempt.repeatable && isIdempotent(attempt.method);
}
