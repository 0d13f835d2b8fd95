// How the gateway itself asks an upstream, outside of any route: everything as a route would have it by default. Runs
// anywhere.

import type { ProxySpec } from "./snapshot.ts";

const CONNECT_MS = 5000;
/** As `timeouts.backend_keep_alive` has it by default. */
const BACKEND_KEEP_ALIVE_MS = 4000;

/** `timeoutMs` is for each wait of its own: for a connection, for the head of the response, between two pieces. */
export function plainProxy(upstream: string, timeoutMs: number): ProxySpec {
  return {
    kind: "proxy",
    targets: [{ upstream, weight: 1 }],
    splitBy: { from: "client" },
    balancers: { http: "weight", https: "weight", websocket: "weight", sse: "weight" },
    hashKey: { from: "path" },
    sticky: { cookie: "", secret: null, maxAge: null, secure: false },
    retry: {
      attempts: 3,
      onClosed: true,
      onMalformed: true,
      onTimeout: false,
      statuses: [],
      perTryMs: null,
      bodyBytes: 0,
    },
    mirror: null,
    stripPrefix: null,
    rewrite: null,
    timeouts: {
      connectMs: Math.min(timeoutMs, CONNECT_MS),
      responseMs: timeoutMs,
      idleMs: timeoutMs,
      websocketIdleMs: timeoutMs,
      sseIdleMs: timeoutMs,
      backendKeepAliveMs: BACKEND_KEEP_ALIVE_MS,
    },
  };
}
