// What the native fetch() is given in place of a light Request. VM processes.

import { bodyOf, type LightRequest, optionsOf, signalOf } from "./request.ts";
import { hasNoBody } from "./request-method.ts";

/** Uses the body up. Throws TypeError when it was used already. */
export function nativeArguments(request: LightRequest): [string, RequestInit] {
  const body = bodyOf(request);
  const headers = [...request.headers];
  const init = { ...optionsOf(request), method: request.method, headers, signal: signalOf(request) };
  if (body === null) return [request.url, init as RequestInit];
  // Native requests cannot have what a client may send: GET with a body. It stays behind, and what describes it.
  if (hasNoBody(request.method)) {
    init.headers = headers.filter(([name]) => name !== "content-length" && name !== "transfer-encoding");
    return [request.url, init as RequestInit];
  }
  const taken = body.take();
  // Bytes, since a text would bring a content type with it.
  const bytes = typeof taken === "string" ? Buffer.from(taken) : taken;
  return [request.url, { ...init, body: bytes, duplex: "half" } as RequestInit];
}
