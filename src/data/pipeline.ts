// The way of an exchange: route, policies, action, and exactly one end, with its log line and its counts.

import { AppFault } from "../core/app-fault.ts";
import { clockMs } from "../core/clock.ts";
import { GatewayError } from "../core/errors.ts";
import type { Exchange } from "../core/exchange.ts";
import { HeaderList } from "../core/headers.ts";
import type { Route } from "./actions/route.ts";
import { errorBody } from "./error-body.ts";
import { identifyClient } from "./forwarded.ts";
import { type Policy, Step } from "./policies/policy.ts";
import type { ThreadContext } from "./thread-context.ts";

/** What is full or down now may not be so soon. */
const RETRY_AFTER_SECONDS = "1";

/** Takes an exchange whose request head was read. */
export function beginExchange(thread: ThreadContext, exchange: Exchange): void {
  try {
    const { request } = exchange;
    const { active } = thread;
    identifyClient(exchange, active.server);
    if (active.httpsOnly?.answers(exchange) === true) return;
    const path = request.path === "*" ? "/" : request.path;
    const { router, fallback } = active;
    const route = router.match(request.host, path, request.method, request.headers) ?? fallback;
    const { spec } = route;
    exchange.route = spec.name;
    exchange.maxBodyBytes = spec.bodyBytes;
    exchange.minBodyRate = spec.minBodyRate;
    if (route.policies === null) startAction(exchange, route);
    else new PolicyRun(exchange, route, route.policies).goOn();
  } catch (bug) {
    failExchange(exchange, new GatewayError("internal", "an error in the gateway itself", bug));
  }
}

/** An exchange on its way through the policies of its route, to the action at the end. */
export class PolicyRun {
  readonly #exchange: Exchange;
  readonly #route: Route;
  readonly #policies: readonly Policy[];
  #next = 0;

  constructor(exchange: Exchange, route: Route, policies: readonly Policy[]) {
    this.#exchange = exchange;
    this.#route = route;
    this.#policies = policies;
  }

  /** Sends another exchange the rest of the way, from behind the policy that has this one: see inner-client.ts. */
  goOnWith(other: Exchange): void {
    const run = new PolicyRun(other, this.#route, this.#policies);
    run.#next = this.#next;
    run.goOn();
  }

  /** Goes on until a policy answers or waits. One that has waited calls it when it is done. */
  goOn(): void {
    const exchange = this.#exchange;
    if (exchange.finished) return;
    try {
      exchange.action = null;
      while (this.#next < this.#policies.length) {
        const policy = this.#policies[this.#next++]!;
        if (policy.enter(exchange, this) !== Step.goOn) return;
      }
      startAction(exchange, this.#route);
    } catch (bug) {
      failExchange(exchange, new GatewayError("internal", "an error in the gateway itself", bug));
    }
  }
}

/** A body that is too long by what the client says of it is refused behind the policies, as one that turns out to be is. */
function startAction(exchange: Exchange, route: Route): void {
  const { maxBodyBytes, request } = exchange;
  if (maxBodyBytes !== null && request.bodyLength > maxBodyBytes) {
    const message = `Content-Length ${request.bodyLength}: expected at most ${maxBodyBytes}`;
    failExchange(exchange, new GatewayError("body_too_large", message));
  } else route.start(exchange);
}

/**
 * Ends an exchange with an error: as a response while that is possible, else by cutting the connection. `headers` are
 * fields that the response has beside those of every error.
 */
export function failExchange(exchange: Exchange, error: GatewayError, headers = new HeaderList()): void {
  if (exchange.finished) return;
  exchange.error = error;
  const { action, client, request } = exchange;
  exchange.action = null;
  action?.onAborted(error);
  if (exchange.status !== 0) {
    exchange.cut = true;
    client.cut();
    return;
  }
  const wantsHtml = request.headers.find("accept")?.includes("text/html") === true;
  const { type, text } = errorBody(error, wantsHtml);
  const body = Buffer.from(text);
  headers.add("Content-Type", type);
  const requestId = AppFault.of(error.cause)?.requestId ?? "";
  if (requestId !== "") headers.add("X-Request-Id", requestId);
  if (error.status === 503) headers.add("Retry-After", RETRY_AFTER_SECONDS);
  client.sendHead({ status: error.status, reason: "", headers, bodyLength: body.length }, body, true);
}

/** Called by the client's side once for every exchange, whether it ended well, badly or not at all. */
export function finishExchange(thread: ThreadContext, exchange: Exchange): void {
  if (exchange.finished) return;
  exchange.finished = true;
  exchange.client.finished();
  const durationMs = clockMs() - exchange.startedMs;
  if (exchange.status === 0 && exchange.error !== null) exchange.status = exchange.error.status;
  thread.metrics.finished(exchange, durationMs);
  thread.active.accessLog?.write(exchange, durationMs);
  if (exchange.error !== null) thread.reporter.exchangeFailed(exchange);
}
