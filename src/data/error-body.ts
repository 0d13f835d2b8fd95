// The body of a response that tells of an error: JSON, or HTML where the client wants that. Runs in data threads.

import { AppFault } from "../core/app-fault.ts";
import type { GatewayError } from "../core/errors.ts";
import { reasonPhrase } from "../core/status.ts";

export interface ErrorBody {
  readonly type: string;
  readonly text: string;
}

/** What a client is told. */
interface Told {
  readonly code: string;
  readonly status: number;
  readonly message: string;
  readonly request?: string;
  /** A call in each line. */
  readonly stack?: readonly string[];
}

export function errorBody(error: GatewayError, wantsHtml: boolean): ErrorBody {
  const told = toldOf(error);
  if (wantsHtml) return { type: "text/html; charset=utf-8", text: htmlOf(told) };
  const text = JSON.stringify({ error: told }, null, told.stack === undefined ? 0 : 2);
  return { type: "application/json", text: `${text}\n` };
}

/** What happened, not where: names and addresses of backends stay in the log, unless an app's errors are detailed. */
function toldOf(error: GatewayError): Told {
  const { code, status, source } = error;
  const fault = AppFault.of(error.cause);
  const isDetailed = fault?.isDetailed === true;
  const message = source === "client" || isDetailed ? error.message : reasonPhrase(status);
  const told = { code, status, message };
  if (fault === null || fault.requestId === "") return told;
  const request = fault.requestId;
  if (!isDetailed || fault.stack === "") return { ...told, request };
  return { ...told, request, stack: fault.stack.split("\n") };
}

const STYLE =
  "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:8vh auto;padding:0 1rem}" +
  "pre{overflow-x:auto;padding:1rem;background:#f4f4f4;color:#222}";

function htmlOf({ code, status, message, request, stack }: Told): string {
  const title = `${status} ${reasonPhrase(status)}`;
  let body = `<h1>${title}</h1>`;
  let style = "";
  if (message !== reasonPhrase(status)) body += `<p><code>${code}</code>: ${escaped(message)}</p>`;
  if (stack !== undefined) {
    style = `<style>${STYLE}</style>`;
    body += `<pre>${escaped(stack.join("\n"))}</pre>`;
  }
  if (request !== undefined) body += `<p>Request ${request}</p>`;
  return `<!doctype html>\n<html lang="en"><head><title>${title}</title>${style}</head><body>${body}</body></html>\n`;
}

/** What is thrown may have come from a client: it must not become markup. */
function escaped(text: string): string {
  return text.replaceAll(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`);
}
