// Backends that fail what they get, one that does not, and a configuration in which they come in that order. Runs in tests.

import type { TestContext } from "node:test";
import { Origin } from "../http/origin.ts";
import { RawBackend, type RawConnection } from "../support/raw.ts";
import { configOf } from "./named-origin.ts";

/** How a backend fails a request, and what `retry.on` calls it. */
export interface Fault {
  readonly on: string;
  readonly act: (connection: RawConnection) => void;
}

export const CLOSES: Fault = { on: "closed", act: ({ socket }) => socket.end() };
export const SAYS_NOTHING: Fault = { on: "timeout", act: () => {} };
export const ANSWERS_503: Fault = {
  on: "503",
  act: (connection) => connection.write("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nfull"),
};

/** Fails each request on a new connection when it has read `until`. */
export async function sick(
  t: TestContext,
  { act }: Fault,
  until: string | RegExp = "\r\n\r\n",
): Promise<RawBackend> {
  const backend = await RawBackend.start((connection) => {
    const failed = connection.until(until).then(() => act(connection));
    // The gateway may have left before.
    failed.catch(() => undefined);
  });
  t.after(() => backend.stop());
  return backend;
}

export async function well(t: TestContext): Promise<Origin> {
  const origin = await Origin.start();
  t.after(() => origin.stop());
  return origin;
}

/** What matters is what is safe, not how often it is done. */
export const RULES = "retry_budget: { least: 1000 }, ejection: { enabled: false }";

/** The backends take turns on a data thread, from the first one on. `retry` and `timeouts` are YAML flow. */
export function inTurn(
  backends: ReadonlyArray<{ readonly port: number }>,
  retry: string,
  timeouts = "response: 300ms",
): string {
  const entries = backends.map(({ port }, i) => `{ id: b${i}, host: 127.0.0.1, port: ${port} }`);
  const route = `retry: { ${retry} }, timeouts: { ${timeouts} }`;
  return configOf(entries, { rules: RULES, route, more: "access_log: {}" });
}

/** Of a request. `fields` are whole lines. */
export function head(method: string, fields = ""): string {
  return `${method} / HTTP/1.1\r\nHost: test\r\n${fields}\r\n`;
}
