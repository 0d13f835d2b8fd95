// Sends a request to the gateway under test. The global `fetch` would send no Host but that of the address, follow redirects
// away from the gateway, and refuse certificates made for a test. Runs in the user's tests.

import { once } from "node:events";
import { type IncomingMessage, request as plainRequest, type RequestOptions } from "node:http";
import { request as tlsRequest } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** A request, and where it goes. */
export interface Target {
  readonly gateway: URL;
  readonly request: Request;
  /** Null where it is not known before, or there is none. */
  readonly bodyBytes: Uint8Array | null;
}

/** Statuses whose Response may have no body. */
const WITHOUT_BODY = [101, 204, 205, 304];

/** `input` may be a path. Throws TypeError as `fetch` does. */
export async function targetOf(
  gatewayUrl: string,
  input: string | URL | Request,
  init: RequestInit = {},
): Promise<Target> {
  const gateway = new URL(gatewayUrl);
  const request = new Request(input instanceof Request ? input : new URL(input, gateway), {
    duplex: "half",
    ...init,
  });
  const isKnown = init.body != null && !(init.body instanceof ReadableStream) && !isAsyncIterable(init.body);
  return { gateway, request, bodyBytes: isKnown ? await request.bytes() : null };
}

/** Rejects as `fetch` does: with a TypeError, or the reason of the signal. */
export async function send(target: Target): Promise<Response> {
  const { request } = target;
  try {
    request.signal.throwIfAborted();
    return responseOf(await answerTo(target), request.method);
  } catch (cause) {
    request.signal.throwIfAborted();
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new TypeError(`Cannot fetch ${request.url} from the test gateway: ${message}`, { cause });
  }
}

async function answerTo({ gateway, request, bodyBytes }: Target): Promise<IncomingMessage> {
  const { hostname, host, pathname, search } = new URL(request.url);
  const headers: Record<string, string> = { host, ...Object.fromEntries(request.headers) };
  if (bodyBytes !== null) headers["content-length"] = String(bodyBytes.length);
  const options: RequestOptions = {
    host: gateway.hostname,
    port: gateway.port,
    method: request.method,
    path: pathname + search,
    headers,
    signal: request.signal,
    agent: false,
  };
  const isTls = gateway.protocol === "https:";
  const outgoing = isTls
    ? tlsRequest({ ...options, rejectUnauthorized: false, ...serverName(hostname) })
    : plainRequest(options);
  // After the head of the answer, what is wrong with the connection is told by the body.
  outgoing.on("error", () => {});
  const answered = once(outgoing, "response");
  if (request.body === null || bodyBytes !== null) outgoing.end(bodyBytes ?? undefined);
  // An answer may come before the body is sent, and end it; whatever is wrong is said by the request itself.
  else pipeline(Readable.fromWeb(request.body), outgoing).catch(() => {});
  const [incoming] = (await answered) as [IncomingMessage];
  return incoming;
}

function responseOf(incoming: IncomingMessage, method: string): Response {
  const { statusCode = 0, statusMessage = "", rawHeaders } = incoming;
  const headers = new Headers();
  for (let i = 0; i < rawHeaders.length; i += 2) headers.append(rawHeaders[i]!, rawHeaders[i + 1]!);
  const isBodyless = method === "HEAD" || WITHOUT_BODY.includes(statusCode);
  if (isBodyless) incoming.resume();
  const body = isBodyless ? null : (Readable.toWeb(incoming) as ReadableStream<Uint8Array<ArrayBuffer>>);
  return new Response(body, { status: statusCode, statusText: statusMessage, headers });
}

/** An address is no name of a server (RFC 6066). */
function serverName(hostname: string): { servername?: string } {
  return /^[\d.]+$|^\[/.test(hostname) ? {} : { servername: hostname };
}

function isAsyncIterable(value: unknown): boolean {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}
