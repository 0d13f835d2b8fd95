// `node bench/apps/light.ts`: what the Request and the Response of one exchange cost in a VM, native and light, without
// the link. About 20 s on one core; writes bench/results/apps-light.json and .md.

import { execFileSync } from "node:child_process";
import { requestOf } from "../../src/vm/http/request-of.ts";
import { LightResponse } from "../../src/vm/http/response.ts";
import { partsOf } from "../../src/vm/http/response-parts.ts";
import { describeMachine } from "../lib/machine.ts";
import { describe, table, writeResults } from "../lib/report.ts";
import { runRounds } from "../lib/rounds.ts";
import { lowerQuartile, median, pairedRatios, quantile } from "../lib/statistics.ts";

const ROUNDS = 12;
const WARM_UP_MS = 300;
const SAMPLE_MS = 60;
/** Between two looks at the clock. */
const BATCH = 64;

type Handler = (request: Request) => Response | Promise<Response>;
/** One exchange, from what came in to what goes out. Returns something of it, or the compiler might leave the work out. */
type Exchange = () => Promise<number>;

interface Case {
  readonly title: string;
  readonly side: "native" | "light";
  readonly run: Exchange;
}

const URL_TEXT = "http://localhost:8080/users/4711/orders?page=2";
const FIELDS = [
  ["host", "localhost:8080"],
  ["user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"],
  ["accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
  ["accept-language", "en-US,en;q=0.5"],
  ["accept-encoding", "gzip, deflate, br, zstd"],
  ["cookie", "session=0123456789abcdef0123456789abcdef; theme=dark"],
  ["x-forwarded-for", "127.0.0.1"],
  ["x-forwarded-proto", "http"],
] as const;
const FIELD_LINES = FIELDS.map(([name, value]) => `${name}: ${value}\r\n`).join("");
const BODY = Buffer.from(JSON.stringify({ id: 4711, items: ["a", "b"], note: "leave at the door" }));

const loading = nativeLoading();
const startedAt = new Date();
const machine = describeMachine();
const handlers: Readonly<Record<string, readonly ["GET" | "POST", (Kind: typeof Response) => Handler]>> = {
  "nothing read, an empty response": ["GET", (Kind) => () => new Kind(null, { status: 204 })],
  "URL and one field read, `Response.json()`": [
    "GET",
    (Kind) => (request) => Kind.json({ url: request.url, agent: request.headers.get("user-agent") }),
  ],
  "the same, with `new URL()`": [
    "GET",
    (Kind) => (request) =>
      Kind.json({ path: new URL(request.url).pathname, agent: request.headers.get("user-agent") }),
  ],
  "a text with two fields of its own": [
    "GET",
    (Kind) => () =>
      new Kind("hello", { headers: { "Content-Type": "text/html", "Cache-Control": "no-store" } }),
  ],
  "JSON read and sent back": ["POST", (Kind) => async (request) => Kind.json(await request.json())],
};
const cases = Object.entries(handlers).flatMap(([title, [method, make]]): Case[] => [
  { title, side: "native", run: nativeExchange(method, make(Response)) },
  { title, side: "light", run: lightExchange(method, make(LightResponse as unknown as typeof Response)) },
]);
for (const { run } of cases) await measure(run, WARM_UP_MS);
const samples = await runRounds(cases, ROUNDS, ({ run }) => measure(run, SAMPLE_MS));
const results = cases.map(({ title, side }, i) => ({ title, side, samples: samples[i] ?? [] }));
const markdown = toMarkdown();
console.log(markdown);
writeResults("apps-light", { startedAt, machine, loading, results }, markdown);

/** What the first touch of the native classes costs a process that has nothing else. Medians. */
function nativeLoading(): { readonly ms: number; readonly mb: number } {
  const code =
    "const m = process.memoryUsage.rss(), t = performance.now(); Response; console.log(performance.now() - t, (process.memoryUsage.rss() - m) / 1e6)";
  const runs = Array.from({ length: 9 }, () =>
    execFileSync(process.execPath, ["-e", code], { encoding: "utf8" }).split(" ").map(Number),
  );
  return { ms: median(runs.map(([ms]) => ms!)), mb: median(runs.map(([, mb]) => mb!)) };
}

/** As a server in Node has to do it: fields as pairs in, fields and bytes out. */
function nativeExchange(method: string, handler: Handler): Exchange {
  const headers = FIELDS.map(([name, value]): [string, string] => [name, value]);
  return async () => {
    const request = new Request(URL_TEXT, { method, headers, body: method === "POST" ? BODY : null });
    const response = await handler(request);
    let lines = "";
    for (const [name, value] of response.headers) lines += `${name}: ${value}\r\n`;
    const body = response.body === null ? null : await response.bytes();
    return response.status + lines.length + (body?.length ?? 0);
  };
}

function lightExchange(method: string, handler: Handler): Exchange {
  const neverAborted = () => new AbortController().signal;
  const body = { whole: BODY, read: async () => null, cancel: () => {} };
  return async () => {
    const request = requestOf({
      method,
      url: URL_TEXT,
      headerLines: FIELD_LINES,
      body: method === "POST" ? body : null,
      signal: neverAborted,
    });
    const parts = partsOf(await handler(request));
    return parts.status + parts.headerLines.length + ((parts.body as string | null)?.length ?? 0);
  };
}

/** Nanoseconds of CPU time per exchange, over about `ms`. */
async function measure(run: Exchange, ms: number): Promise<number> {
  const before = process.cpuUsage();
  const end = performance.now() + ms;
  let exchanges = 0;
  let sum = 0;
  while (performance.now() < end) {
    for (let i = 0; i < BATCH; i++) sum += await run();
    exchanges += BATCH;
    // The native classes leave work for the garbage collector's callbacks, which want a turn of the event loop.
    await new Promise(setImmediate);
  }
  const { user, system } = process.cpuUsage(before);
  if (sum <= 0) throw new Error(`Cannot use exchanges that came to ${sum}: expected statuses and lengths`);
  return ((user + system) * 1000) / exchanges;
}

function toMarkdown(): string {
  const rows = Object.keys(handlers).map((title) => {
    const [native, light] = (["native", "light"] as const).map(
      (side) => results.find((result) => result.title === title && result.side === side)!.samples,
    );
    const ratios = pairedRatios(native!, light!);
    return [title, shown(native!), shown(light!), `${quantile(ratios, 0.5).toFixed(1)} ×`];
  });
  return `# Request and Response in a VM: native and light

${describe(machine, startedAt)}
Command: \`node bench/apps/light.ts\`, on Node ${process.version}.

Microseconds of CPU time per exchange in one process, from the head that came in to the head and the body that go out, no
link and no socket: the lower quartile of ${ROUNDS} interleaved rounds of ${SAMPLE_MS} ms, in parentheses the upper one. The request has
${FIELDS.length} fields. An \`await\` of the handler's result is in every number.

${table(["handler", "native", "light", "native / light"], rows)}

Loading the native classes takes a process that has nothing else ${loading.ms.toFixed(0)} ms and ${loading.mb.toFixed(0)} MB (median of 9 starts); a VM with the
light ones does not load them before its app calls \`fetch()\` or reads a form.
`;
}

function shown(samples: readonly number[]): string {
  return `${(lowerQuartile(samples) / 1000).toFixed(2)} (${(quantile(samples, 0.75) / 1000).toFixed(2)})`;
}
