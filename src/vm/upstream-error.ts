// Why an upstream gave no response. Runs in VMs.

import type { UpstreamError as UpstreamFailure } from "./api/handler.ts";

/** A TypeError, as of a `fetch()` that fails. */
export class UpstreamError extends TypeError implements UpstreamFailure {
  override readonly name = "UpstreamError";
  /** As in the gateway's log: docs/apps.md. */
  readonly code: string;
  readonly upstream: string;

  constructor(upstream: string, code: string, message: string) {
    super(message);
    this.code = code;
    this.upstream = upstream;
  }
}
