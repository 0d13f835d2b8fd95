// Tells the control thread's log what went wrong on a data thread, without letting a storm of failures fill it.

import { AppFault, type AppFaultFields } from "../core/app-fault.ts";
import type { GatewayError } from "../core/errors.ts";
import type { Exchange } from "../core/exchange.ts";
import type { FromDataThread, LogLevel } from "../wire/control.ts";

const WINDOW_MS = 10_000;
const LINES_PER_WINDOW = 10;

export type LogFields = Readonly<Record<string, string | number>>;

export class Reporter {
  readonly #post: (message: FromDataThread) => void;
  /** Lines of a kind in the ten seconds since the first of them, those left out among them. */
  readonly #lines = new Map<string, number>();

  constructor(post: (message: FromDataThread) => void) {
    this.#post = post;
  }

  /** Of one `kind` at most ten lines in ten seconds are written; then it is told how many were not. */
  report(level: LogLevel, kind: string, message: string, fields: LogFields): void {
    const lines = (this.#lines.get(kind) ?? 0) + 1;
    this.#lines.set(kind, lines);
    if (lines === 1) setTimeout(() => this.#tellUnsaid(kind), WINDOW_MS).unref();
    if (lines <= LINES_PER_WINDOW) this.#write(level, message, fields);
  }

  /** Tells at the end what is not told yet. */
  flush(): void {
    for (const kind of this.#lines.keys()) this.#tellUnsaid(kind);
  }

  /** What clients do wrong is in the access log; here is what backends and the gateway itself do. */
  exchangeFailed(exchange: Exchange): void {
    const { error, request } = exchange;
    if (error === null || error.source === "client") return;
    const fields: Record<string, string | number> = {
      code: error.code,
      status: exchange.status,
      method: request.method,
      host: request.authority,
      path: request.path,
      route: exchange.route,
      client: exchange.clientAddress,
    };
    if (exchange.upstream !== "") fields["upstream"] = exchange.upstream;
    if (exchange.backend !== "") fields["backend"] = exchange.backend;
    const fault = AppFault.of(error.cause);
    if (fault === null) Object.assign(fields, stackOf(error));
    else addFault(fields, fault);
    const level = error.source === "gateway" || error.status === 500 ? "error" : "warn";
    const kind = fault === null ? error.code : `${error.code} of app "${fault.app}"`;
    this.report(level, kind, error.message, fields);
  }

  /** An error outside of any exchange. */
  connectionFailed(error: GatewayError): void {
    this.report("error", error.code, error.message, { code: error.code, ...stackOf(error) });
  }

  /** A VM broke the rules of its link (`fault`), or closed it (null). */
  linkLost(vm: number, fault: string | null): void {
    this.#post({ type: "link-lost", vm, fault });
  }

  /** The access log loses lines. */
  onError(error: Error): void {
    this.report("error", "the access log", error.message, {});
  }

  onRecovered(lost: number): void {
    this.report("warn", "the access log", "the access log is written again", { lines_lost: lost });
  }

  #tellUnsaid(kind: string): void {
    const unsaid = (this.#lines.get(kind) ?? 0) - LINES_PER_WINDOW;
    this.#lines.delete(kind);
    if (unsaid > 0) this.#write("warn", `${unsaid} more lines about ${kind} were left out`, {});
  }

  #write(level: LogLevel, message: string, fields: LogFields): void {
    this.#post({ type: "log", level, message, fields });
  }
}

function addFault(
  fields: Record<string, string | number>,
  { app, vm, requestId, stack }: AppFaultFields,
): void {
  fields["app"] = app;
  if (vm > 0) fields["vm"] = vm;
  if (requestId !== "") fields["request"] = requestId;
  if (stack !== "") fields["stack"] = stack;
}

/** Where a bug is. What backends do has no stack worth reading. */
function stackOf({ code, cause }: GatewayError): { stack?: string } {
  return code === "internal" && cause instanceof Error ? { stack: cause.stack ?? cause.message } : {};
}
