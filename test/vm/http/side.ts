// Runs the table of cases in a thread of its own, over the native classes or over the light ones in their place.
import { inspect } from "node:util";
import { parentPort, workerData } from "node:worker_threads";
import { installGlobals } from "../../../src/vm/http/globals.ts";
import { requestOf } from "../../../src/vm/http/request-of.ts";
import { bodyCases } from "./cases/bodies.ts";
import type { Incoming, World } from "./cases/case.ts";
import { classCases } from "./cases/classes.ts";
import { headersCases } from "./cases/headers.ts";
import { requestCases } from "./cases/requests.ts";
import { responseCases } from "./cases/responses.ts";
import { streamCases } from "./cases/streams.ts";
import { wptCases } from "./cases/wpt.ts";

/** `whole` and `pieces`: light requests as the link makes them; `light`: as an app makes them. */
export type Side = "native" | "light" | "whole" | "pieces";

export type Outcomes = Record<string, string>;

const side: Side = workerData;
if (side !== "native") installGlobals();

const world: World = {
  incoming: (given) => (side === "native" || side === "light" ? madeByApp(given) : madeByLink(given)),
};

const cases = {
  ...headersCases,
  ...requestCases,
  ...responseCases,
  ...bodyCases,
  ...streamCases,
  ...classCases,
  ...wptCases,
};
const outcomes: Outcomes = {};
for (const [name, run] of Object.entries(cases)) outcomes[name] = await outcomeOf(() => run(world));
parentPort!.postMessage(outcomes);

async function outcomeOf(run: () => unknown): Promise<string> {
  try {
    return inspect(await run(), { depth: 10, maxArrayLength: null, maxStringLength: null });
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : `thrown: ${inspect(error)}`;
  }
}

function madeByApp({
  method = "GET",
  url = "http://localhost/",
  headers = [],
  body,
  signal,
}: Incoming): Request {
  return new Request(url, {
    method,
    headers: headers.map(([name, value]): [string, string] => [name, value]),
    ...(body === undefined ? {} : { body: Buffer.from(body) }),
    ...(signal === undefined ? {} : { signal }),
  });
}

function madeByLink({
  method = "GET",
  url = "http://localhost/",
  headers = [],
  body,
  signal,
}: Incoming): Request {
  const bytes = body === undefined ? null : Buffer.from(body);
  return requestOf({
    method,
    url,
    headerLines: headers.map(([name, value]) => `${name}: ${value}\r\n`).join(""),
    body: bytes === null ? null : bodyOf(bytes),
    signal: () => signal ?? new AbortController().signal,
  });
}

function bodyOf(bytes: Uint8Array) {
  const pieces = side === "whole" ? [] : [bytes.subarray(0, 3), bytes.subarray(3, 3), bytes.subarray(3)];
  return {
    whole: side === "whole" ? bytes : null,
    read: async () => pieces.shift() ?? null,
    cancel: () => void pieces.splice(0),
  };
}
