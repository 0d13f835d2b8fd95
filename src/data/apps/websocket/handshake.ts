// The handshake of a WebSocket (RFC 6455 section 4.2) between a client and an app. Over HTTP/2 the key is the gateway's
// own (http2/request-head.ts). Runs in data threads.

import { GatewayError } from "../../../core/errors.ts";
import type { RequestHead } from "../../../core/exchange.ts";
import { Field, HeaderList } from "../../../core/headers.ts";
import { hasToken } from "../../http1/fields.ts";
import { acceptOf } from "../../http2/websocket.ts";
import { DEFLATE, type Deflate, extension, PerMessageDeflate, subprotocol } from "./ws-halves.ts";

/** 16 bytes in base64. */
const KEY = /^[A-Za-z0-9+/]{22}==$/;
const VERSION = "13";

export function asksForWebSocket({ upgrade }: RequestHead): boolean {
  return upgrade !== null && hasToken(upgrade, "websocket");
}

/** What is wrong with a request that asks for a WebSocket; null where nothing is. */
export function handshakeFault({ method, headers }: RequestHead): GatewayError | null {
  if (method !== "GET") return malformed(`method ${method} for a WebSocket: expected GET`);
  const version = headers.joinNamed("sec-websocket-version");
  if (version !== VERSION)
    return new GatewayError(
      "websocket_version_unsupported",
      `Sec-WebSocket-Version ${shown(version)}: expected ${VERSION}`,
    );
  const key = headers.joinNamed("sec-websocket-key");
  if (key === null || !KEY.test(key))
    return malformed(`Sec-WebSocket-Key ${shown(key)}: expected 16 bytes in base64`);
  const protocols = headers.joinNamed("sec-websocket-protocol");
  if (protocols !== null && offersOf(protocols) === null)
    return malformed(`Sec-WebSocket-Protocol ${shown(protocols)}: expected different tokens`);
  return null;
}

/** What the answer to such a fault has beside the fields of every error. */
export function faultHeaders(fault: GatewayError, { protocol }: RequestHead): HeaderList {
  const headers = new HeaderList();
  if (fault.status !== 426) return headers;
  headers.add("Sec-WebSocket-Version", VERSION);
  // RFC 9110 section 15.5.22; in HTTP/2 there is no such field.
  if (protocol === "HTTP/1.1") {
    headers.add("Upgrade", "websocket", Field.other);
    headers.add("Connection", "Upgrade", Field.other);
  }
  return headers;
}

export interface Agreement {
  readonly deflate: Deflate | null;
}

/**
 * Makes the fields of the 101 out of those that the handler gave. Returns what is wrong with them as text. `request` has no
 * fault, `compressed` is whether permessage-deflate is offered.
 */
export function agree(
  request: RequestHead,
  answer: HeaderList,
  { compression, maxMessageBytes }: { readonly compression: boolean; readonly maxMessageBytes: number },
): Agreement | string {
  if (!asksForWebSocket(request)) return "status 101 for a request that asks for no WebSocket";
  const { headers } = request;
  const chosen = answer.joinNamed("sec-websocket-protocol");
  const offered = headers.joinNamed("sec-websocket-protocol");
  if (chosen !== null && (offered === null || offersOf(offered)?.has(chosen) !== true))
    return `Sec-WebSocket-Protocol ${shown(chosen)}: expected one of those that the client offers (${offered ?? "none"})`;
  answer.removeNamed("sec-websocket-accept");
  answer.removeNamed("sec-websocket-extensions");
  answer.add("Sec-WebSocket-Accept", acceptOf(headers.find("sec-websocket-key")!));
  const extensions = compression ? headers.joinNamed("sec-websocket-extensions") : null;
  return { deflate: extensions === null ? null : acceptDeflate(extensions, answer, maxMessageBytes) };
}

/** What cannot be accepted is declined (RFC 7692 section 5.1): the client goes on without it. */
function acceptDeflate(extensions: string, answer: HeaderList, maxPayload: number): Deflate | null {
  // Without a context that outlives its message an idle connection holds no memory of zlib.
  const deflate = new PerMessageDeflate({
    isServer: true,
    maxPayload,
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
  });
  try {
    const offers = extension.parse(extensions)[DEFLATE];
    if (offers === undefined) return null;
    answer.add(
      "Sec-WebSocket-Extensions",
      extension.format({ [DEFLATE]: [deflate.accept(offers) as object] }),
    );
    return deflate;
  } catch {
    return null;
  }
}

function offersOf(protocols: string): Set<string> | null {
  try {
    return subprotocol.parse(protocols);
  } catch {
    return null;
  }
}

function shown(value: string | null): string {
  return value === null ? "(none)" : JSON.stringify(value);
}

function malformed(message: string): GatewayError {
  return new GatewayError("request_malformed", message);
}
