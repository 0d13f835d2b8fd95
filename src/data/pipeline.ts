// The way of an exchange: route, action, and exactly one end, with its log line and its counts.

import { GatewayError } from "../core/errors.ts";
import type { Exchange } from "../core/exchange.ts";
import { HeaderList } from "../core/headers.ts";
import { reasonPhrase } from "../core/status.ts";
import { identifyClient } from "./forwarded.ts";
import type { ThreadContext } from "./thread-context.ts";

/** What is full or down now may not be so soon. */
const RETRY_AFTER_SECONDS = "1";

/** Takes an exchange whose request head was read. */
export function beginExchange(thread: ThreadContext, exchange: Exchange): void {
  try {
    const { request } = exchange;
    const { active } = thread;
    identifyClient(exchange, active.server);
    const path = request.path === "*" ? "/" : request.path;
    const route = active.router.match(request.host, path, request.method, request.headers);
    if (route === null) {
      const message = `no route for ${request.method} ${request.authority}${request.path}`;
      failExchange(exchange, new GatewayError("route_not_found", message));
      return;
    }
    const { spec } = route;
    exchange.route = spec.name;
    exchange.maxBodyBytes = spec.bodyBytes;
    exchange.minBodyRate = spec.minBodyRate;
    if (spec.bodyBytes !== null && request.bodyLength > spec.bodyBytes) {
      const message = `Content-Length ${request.bodyLength}: expected at most ${spec.bodyBytes}`;
      failExchange(exchange, new GatewayError("body_too_large", message));
      return;
    }
    route.start(exchange);
  } catch (bug) {
    failExchange(exchange, new GatewayError("internal", "an error in the gateway itself", bug));
  }
}

/** Ends an exchange with an error: as a response while that is possible, else by cutting the connection. */
export function failExchange(exchange: Exchange, error: GatewayError): void {
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
  const body = Buffer.from(wantsHtml ? htmlBody(error.status) : jsonBody(error));
  const headers = new HeaderList();
  headers.add("Content-Type", wantsHtml ? "text/html; charset=utf-8" : "application/json");
  if (error.status === 503) headers.add("Retry-After", RETRY_AFTER_SECONDS);
  client.sendHead({ status: error.status, reason: "", headers, bodyLength: body.length }, body, true);
}

/** The client is told what happened, not where: names and addresses of backends stay in the log. */
function jsonBody(error: GatewayError): string {
  const message = error.source === "client" ? error.message : reasonPhrase(error.status);
  return `${JSON.stringify({ error: { code: error.code, status: error.status, message } })}\n`;
}

function htmlBody(status: number): string {
  const title = `${status} ${reasonPhrase(status)}`;
  return `<!doctype html>\n<html lang="en"><head><title>${title}</title></head><body><h1>${title}</h1></body></html>\n`;
}

/** Called by the client's side once for every exchange, whether it ended well, badly or not at all. */
export function finishExchange(thread: ThreadContext, exchange: Exchange): void {
  if (exchange.finished) return;
  exchange.finished = true;
  const durationMs = performance.now() - exchange.startedMs;
  if (exchange.status === 0 && exchange.error !== null) exchange.status = exchange.error.status;
  thread.metrics.finished(exchange, durationMs);
  thread.active.accessLog?.write(exchange, durationMs);
  if (exchange.error !== null) thread.reporter.exchangeFailed(exchange);
}
