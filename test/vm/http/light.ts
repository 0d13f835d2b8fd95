// A process with the light classes in place, which says after each of several things whether Node has loaded its own, and
// how many streams were made. Started by unloaded.test.ts.
import { installGlobals } from "../../../src/vm/http/globals.ts";
import { requestOf } from "../../../src/vm/http/request-of.ts";
import { partsOf } from "../../../src/vm/http/response-parts.ts";

const UNDICI = "NativeModule internal/deps/undici/undici";

/** Of a Node that still has it. */
const loaded: readonly string[] = Reflect.get(process, "moduleLoadList");
let streams = 0;
globalThis.ReadableStream = new Proxy(ReadableStream, {
  construct(target, args, newTarget) {
    streams++;
    return Reflect.construct(target, args, newTarget);
  },
});

installGlobals();

function post(text: string, type = "application/json"): Request {
  return requestOf({
    method: "POST",
    url: "http://localhost/a?b",
    headerLines: `Content-Type: ${type}\r\nCookie: a\r\nCookie: b\r\n`,
    body: { whole: Buffer.from(text), read: async () => null, cancel: () => {} },
    signal: () => AbortSignal.abort(),
  });
}

async function hotPaths(): Promise<void> {
  const request = post('{"a":1}');
  request.headers.get("content-type");
  for (const _ of request.headers);
  const clone = request.clone();
  partsOf(Response.json({ url: request.url, method: request.method, body: await request.json() }));
  await clone.text();
  await post("x").bytes();
  await post("x").arrayBuffer();
  partsOf(new Response("x", { status: 201, headers: { a: "b" } }));
  partsOf(new Response(Buffer.from("x")));
  partsOf(new Response(null, { status: 204 }));
  partsOf(new Response(new URLSearchParams("a=b")));
  partsOf(Response.redirect("http://a/"));
  const response = new Response("x");
  response.headers.append("set-cookie", "a");
  partsOf(response.clone());
  new Request("http://upstream/", { method: "POST", body: "x", headers: response.headers });
  new Request(post("x"), { headers: {} });
}

async function streaming(): Promise<void> {
  await new Response(post("x").body).text();
  await new Response(new ReadableStream({ start: (controller) => controller.close() })).text();
  await new Response(new Blob(["x"])).blob();
  await Promise.all([post("x").signal.aborted, new Headers([["a b", "c"]])]).catch(() => {});
}

async function mistakes(): Promise<void> {
  const tries = [
    () => new Headers({ "a b": "c" }),
    () => new Response("x", { status: 99 }),
    () => new Request("nowhere"),
    () => post("{").json(),
  ];
  for (const run of tries) await Promise.try(run as () => unknown).catch(() => {});
}

const report: unknown[] = [];
for (const run of [
  hotPaths,
  mistakes,
  streaming,
  () => post("a=b", "application/x-www-form-urlencoded").formData(),
]) {
  streams = 0;
  await Promise.try<unknown, []>(run).catch(() => {});
  report.push([loaded.includes(UNDICI), streams > 0]);
}
console.log(JSON.stringify(report));
