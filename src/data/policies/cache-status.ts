// The value of Cache-Status (RFC 9211): what the cache did with a request. Pure; data threads.

/** Why a request was sent on. */
export type Forwarded = "uri-miss" | "vary-miss" | "stale" | "request" | "bypass" | "method";

/** `ttlMs` is negative for a response past its time. */
export function hitStatus(ttlMs: number): string {
  return `sluice; hit; ttl=${Math.floor(ttlMs / 1000)}`;
}

export interface ForwardedStatus {
  readonly forwarded: Forwarded;
  /** Of the backend's response where the client gets another one; 0 for none. */
  readonly status?: number;
  readonly stored?: boolean;
  readonly collapsed?: boolean;
}

export function forwardedStatus({ forwarded, status = 0, stored, collapsed }: ForwardedStatus): string {
  let text = `sluice; fwd=${forwarded}`;
  if (status !== 0) text += `; fwd-status=${status}`;
  if (stored === true) text += "; stored";
  if (collapsed === true) text += "; collapsed";
  return text;
}
