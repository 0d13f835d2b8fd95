// What can go wrong with an exchange: one table of codes, each with who is at fault, the answer and whether to retry.

export type ErrorSource = "client" | "upstream" | "app" | "gateway";

/** When the same request may be sent again: never, only if a reused connection failed it, or always (nothing was sent). */
export type Retry = "never" | "reused-only" | "always";

interface ErrorKind {
  readonly source: ErrorSource;
  readonly status: number;
  readonly retry: Retry;
}

export const ERRORS = {
  request_malformed: { source: "client", status: 400, retry: "never" },
  request_line_too_long: { source: "client", status: 414, retry: "never" },
  header_fields_too_large: { source: "client", status: 431, retry: "never" },
  body_too_large: { source: "client", status: 413, retry: "never" },
  body_malformed: { source: "client", status: 400, retry: "never" },
  version_unsupported: { source: "client", status: 505, retry: "never" },
  transfer_coding_unsupported: { source: "client", status: 501, retry: "never" },
  method_unsupported: { source: "client", status: 501, retry: "never" },
  expectation_unsupported: { source: "client", status: 417, retry: "never" },
  request_timeout: { source: "client", status: 408, retry: "never" },
  client_gone: { source: "client", status: 499, retry: "never" },
  client_stalled: { source: "client", status: 499, retry: "never" },
  websocket_version_unsupported: { source: "client", status: 426, retry: "never" },
  rate_limited: { source: "client", status: 429, retry: "never" },
  unauthorized: { source: "client", status: 401, retry: "never" },
  client_denied: { source: "client", status: 403, retry: "never" },
  route_not_found: { source: "client", status: 404, retry: "never" },
  method_not_allowed: { source: "client", status: 405, retry: "never" },
  file_not_found: { source: "client", status: 404, retry: "never" },
  precondition_failed: { source: "client", status: 412, retry: "never" },
  range_not_satisfiable: { source: "client", status: 416, retry: "never" },
  file_outside_root: { source: "gateway", status: 404, retry: "never" },
  file_forbidden: { source: "gateway", status: 403, retry: "never" },
  file_unreadable: { source: "gateway", status: 500, retry: "never" },
  file_changed: { source: "gateway", status: 500, retry: "never" },
  files_exhausted: { source: "gateway", status: 503, retry: "never" },
  not_cached: { source: "client", status: 504, retry: "never" },
  backend_unavailable: { source: "upstream", status: 503, retry: "never" },
  queue_full: { source: "upstream", status: 503, retry: "never" },
  queue_timeout: { source: "upstream", status: 503, retry: "never" },
  circuit_open: { source: "upstream", status: 503, retry: "never" },
  connect_failed: { source: "upstream", status: 502, retry: "always" },
  connect_timeout: { source: "upstream", status: 504, retry: "always" },
  stream_refused: { source: "upstream", status: 503, retry: "always" },
  upstream_closed: { source: "upstream", status: 502, retry: "reused-only" },
  response_malformed: { source: "upstream", status: 502, retry: "never" },
  response_truncated: { source: "upstream", status: 502, retry: "never" },
  response_timeout: { source: "upstream", status: 504, retry: "never" },
  response_stalled: { source: "upstream", status: 504, retry: "never" },
  tunnel_idle: { source: "gateway", status: 504, retry: "never" },
  app_unavailable: { source: "app", status: 503, retry: "never" },
  app_queue_full: { source: "app", status: 503, retry: "never" },
  app_queue_timeout: { source: "app", status: 503, retry: "never" },
  app_timeout: { source: "app", status: 504, retry: "never" },
  app_failed: { source: "app", status: 500, retry: "never" },
  app_response_invalid: { source: "app", status: 500, retry: "never" },
  app_response_stalled: { source: "app", status: 504, retry: "never" },
  vm_ended: { source: "app", status: 502, retry: "never" },
  auth_unavailable: { source: "gateway", status: 503, retry: "never" },
  auth_overloaded: { source: "gateway", status: 503, retry: "never" },
  shutting_down: { source: "gateway", status: 503, retry: "never" },
  internal: { source: "gateway", status: 500, retry: "never" },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** A failed exchange. A value, not a throw: it carries no stack of its own, and `cause` has what lies below. */
export class GatewayError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly cause: unknown;

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    this.code = code;
    this.message = message;
    this.cause = cause;
  }

  get source(): ErrorSource {
    return ERRORS[this.code].source;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get retry(): Retry {
    return ERRORS[this.code].retry;
  }
}
