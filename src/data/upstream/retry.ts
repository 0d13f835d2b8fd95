// Whether a failed attempt at a backend may be made again without the risk of doing something twice.

import type { GatewayError } from "../../core/errors.ts";

export interface Attempt {
  readonly method: string;
  /** The connection had carried another request before. */
  readonly reused: boolean;
  /** Some of the request body was sent; it is not kept, so it cannot be sent again. */
  readonly bodyStarted: boolean;
  readonly responseStarted: boolean;
  /** Requests sent so far. */
  readonly attempts: number;
}

/** RFC 9110 section 9.2.2. */
const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/**
 * A backend may close an unused connection in the moment in which the next request is sent on it. Such a request is
 * sent once more, on a new connection, if it is idempotent (RFC 9112 section 9.3.1) and no byte of a response came.
 */
export function mayRetry(error: GatewayError, attempt: Attempt): boolean {
  if (error.retry !== "reused-only" || !attempt.reused) return false;
  if (attempt.responseStarted || attempt.bodyStarted || attempt.attempts > 1) return false;
  return IDEMPOTENT.has(attempt.method);
}
