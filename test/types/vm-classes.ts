// The classes of VMs are what the types of "sluice" say. Never run: `npm run check` checks it.

import type { Client, ExecutionContext, ServerWebSocket, UpstreamBinding, UpstreamError } from "sluice";
import type { clientOf } from "../../src/vm/client.ts";
import type { Context } from "../../src/vm/context.ts";
import type { Upstream } from "../../src/vm/upstream.ts";
import type { UpstreamError as ThrownError } from "../../src/vm/upstream-error.ts";
import type { PairedWebSocket } from "../../src/vm/websocket/web-socket.ts";

export function given(
  context: Context,
  upstream: Upstream,
  error: ThrownError,
  client: ReturnType<typeof clientOf>,
): void {
  context satisfies ExecutionContext;
  upstream satisfies UpstreamBinding;
  error satisfies UpstreamError;
  client satisfies Client;
}

type Shared = Exclude<keyof ServerWebSocket, "onmessage" | "onclose" | "onerror">;

/** Their handlers take any event there. */
export function half(webSocket: PairedWebSocket): Pick<ServerWebSocket, Shared> {
  webSocket.onmessage satisfies unknown;
  webSocket.onclose satisfies unknown;
  webSocket.onerror satisfies unknown;
  return webSocket as Pick<PairedWebSocket, Shared>;
}
