// The way from the link to the Request of a handler, and from a Request that an app sends to an upstream back. VM processes.
import { bodyOf, type LightRequest, lightRequestOf, linesOf, signalOf } from "./request.ts";
import type { BodyParts, RequestSource } from "./request-source.ts";
import { needSendable } from "./response-parts.ts";

export function requestOf(source: RequestSource): Request {
  return lightRequestOf(source) as unknown as Request;
}

/** A request as it leaves for an upstream of the gateway. */
export interface RequestParts {
  readonly method: string;
  readonly url: string;
  /** latin1 text, `name: value\r\n` for each field. */
  readonly headerLines: string;
  /** The pieces of a stream are whatever the app put in: they have to be checked when they are read. */
  readonly body: BodyParts;
  /** Null when nothing can abort the request. */
  readonly signal: AbortSignal | null;
}

/** Uses the body up. Throws TypeError for a body that was used, and for what no HTTP message can hold. */
export function requestPartsOf(request: Request): RequestParts {
  const light = request as unknown as LightRequest;
  const headerLines = linesOf(light);
  needSendable(headerLines);
  const { method, url } = light;
  return { method, url, headerLines, body: bodyOf(light)?.take() ?? null, signal: signalOf(light) };
}
