// What the native fetch() is given in place of a light Request. VM processes.

import { bodyOf, type LightRequest, optionsOf, signalOf } from "./request.ts";
import { hasNoBody } from "./request-method.ts";

/** Uses the body up. Throws TypeError when it was used already. */
export function nativeArguments(request: LightRequest): [string, RequestInit] {
  const body = bodyOf(request);
  const { method, url } = request;
  const init = { ...optionsOf(request), method, headers: [...request.headers], signal: signalOf(request) };
  // Native requests cannot have what a client may send: GET with a body. It stays behind.
  if (body === null || hasNoBody(method)) return [url, init as RequestInit];
  const taken = body.take();
  // Bytes, since a text would bring a content type with it.
  const bytes = typeof taken === "string" ? Buffer.from(taken) : taken;
  return [url, { ...init, body: bytes, duplex: "half" } as RequestInit];
}
