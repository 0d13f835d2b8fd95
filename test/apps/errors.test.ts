// What a client and the log are told when a handler fails.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { after, before, describe, it } from "node:test";
import { type LogLine, TestGateway } from "../support/gateway.ts";
import { writeApp } from "./write-app.ts";

const DEPTHS = `
interface Depth { readonly left: number }
export function deep({ left }: Depth): never {
  if (left > 0) deep({ left: left - 1 });
  throw new TypeError("the <handler> broke", { cause: new Error("for a reason") });
}
`;

const HANDLER = `
import { deep } from "./some where#1 50%/depths.ts";

interface Unused { readonly a: number }

export default {
  async fetch(request: Request): Promise<Response> {
    switch (new URL(request.url).pathname) {
      case "/throw":
        return deep({ left: 2 });
      case "/text":
        throw "a text";
      case "/response":
        throw new Response("nothing here", { status: 404 });
      case "/number":
        return 42 as never;
      case "/nothing":
        return undefined as never;
      case "/odd":
        throw { [Symbol.for("nodejs.util.inspect.custom")]: () => { throw new Error("no"); } };
      case "/used": {
        const response = new Response("once");
        await response.text();
        return response;
      }
      case "/error-response":
        return Response.error();
      case "/breaks":
        return new Response(new ReadableStream({
          start(controller) { controller.enqueue(new TextEncoder().encode("some of it")); },
          async pull() { throw new RangeError("the body broke"); },
        }));
      case "/strings":
        return new Response(new ReadableStream({
          start(controller) { controller.enqueue("text" as never); controller.close(); },
        }));
      default:
        return new Response("fine");
    }
  },
};
`;

interface Told {
  readonly code: string;
  readonly status: number;
  readonly message: string;
  readonly request: string;
  readonly stack?: readonly string[];
}

const toldBy = async (response: Response) => ((await response.json()) as { error: Told }).error;
const HTML = { headers: { Accept: "text/html,*/*;q=0.8" } };

describe("a handler that fails", () => {
  let gateway: TestGateway;
  let entry = "";
  const url = (path: string, detailed = false) =>
    `http://${detailed ? "localhost" : "127.0.0.1"}:${gateway.port}${path}`;
  const logged = (request: string): Promise<LogLine> => gateway.logged((line) => line["request"] === request);

  before(async () => {
    entry = writeApp(HANDLER);
    const folder = `${dirname(entry)}/some where#1 50%`;
    mkdirSync(folder);
    writeFileSync(`${folder}/depths.ts`, DEPTHS);
    gateway = await TestGateway.start(`
apps:
  plain: { entry: ${entry} }
  detailed: { entry: ${entry}, errors: detailed }
routing:
  plain: { app: plain }
  detailed: { hosts: localhost, app: detailed }
  paged:
    path: /paged
    app: detailed
    strip_prefix: true
    policies: { error_pages: { pages: { 500: { body: "our page", content_type: text/plain } } } }
`);
  });
  after(() => gateway.stop());

  it("tells the client no more than a request id", async () => {
    const response = await fetch(url("/throw"));
    assert.equal(response.status, 500);
    const told = await toldBy(response);
    assert.match(told.request, /^[0-9a-f]{12}-\d+$/);
    assert.deepEqual(told, {
      code: "app_failed",
      status: 500,
      message: "Internal Server Error",
      request: told.request,
    });
    assert.equal(response.headers.get("x-request-id"), told.request);
  });

  it("tells a browser no more either", async () => {
    const response = await fetch(url("/throw"), HTML);
    const page = await response.text();
    assert.match(page, /<h1>500 Internal Server Error<\/h1>/);
    assert.ok(page.includes(response.headers.get("x-request-id")!));
    assert.doesNotMatch(page, /broke|depths/);
  });

  it("is in the log with app, VM, route, request id and the stack in lines of the user's files", async () => {
    const { request } = await toldBy(await fetch(url("/throw")));
    const line = await logged(request);
    assert.equal(line.level, "error");
    assert.equal(line.msg, "TypeError: the <handler> broke");
    assert.deepEqual(
      [line["code"], line["app"], line["route"], line["path"]],
      ["app_failed", "plain", "plain", "/throw"],
    );
    assert.equal(typeof line["vm"], "number");
    const stack = (line["stack"] as string).split("\n");
    const depths = `${dirname(entry)}/some where#1 50%/depths.ts`;
    assert.equal(stack[0], "TypeError: the <handler> broke");
    assert.equal(stack[1], `    at deep (${depths}:5:9)`);
    assert.equal(stack[2], `    at deep (${depths}:4:17)`);
    assert.equal(stack[4], `    at Object.fetch (${entry}:10:16)`);
    assert.ok(stack.some((call) => call === "Caused by: Error: for a reason"));
    assert.ok(!stack.some((call) => call.includes("vm.mjs")), "calls of the program that runs the app");
  });

  it("tells all of it where errors are detailed", async () => {
    const told = await toldBy(await fetch(url("/throw", true)));
    assert.equal(told.message, "TypeError: the <handler> broke");
    assert.equal(told.stack?.[4], `    at Object.fetch (${entry}:10:16)`);
    const page = await (await fetch(url("/throw", true), HTML)).text();
    assert.match(page, /the &#60;handler&#62; broke/);
    assert.match(page, /<pre>.*depths\.ts:5:9/s);
    assert.ok(!page.includes("<handler>"), "what was thrown is markup");
  });

  it("leaves the page to the policy error_pages", async () => {
    const response = await fetch(url("/paged/throw"));
    assert.equal(await response.text(), "our page");
    await logged(response.headers.get("x-request-id")!);
  });

  const failures = [
    ["text that is thrown", "/text", "app_failed", /^'a text' was thrown: expected an Error$/],
    [
      "a Response that is thrown",
      "/response",
      "app_failed",
      /^a Response was thrown \(status 404\): expected/,
    ],
    ["what cannot be shown", "/odd", "app_failed", /^an error that cannot be shown$/],
    ["a number", "/number", "app_response_invalid", /^the handler returned 42: expected a Response$/],
    ["nothing", "/nothing", "app_response_invalid", /^the handler returned undefined: expected a Response$/],
    [
      "a Response that was read",
      "/used",
      "app_response_invalid",
      /cannot be sent: TypeError: Body .* already been read$/,
    ],
    [
      "an error Response",
      "/error-response",
      "app_response_invalid",
      /cannot be sent: TypeError: .* expected a status/,
    ],
  ] as const;
  for (const [what, path, code, message] of failures) {
    it(`says what it was: ${what}`, async () => {
      const told = await toldBy(await fetch(url(path, true)));
      assert.equal(told.code, code);
      assert.match(told.message, message);
      const plain = await toldBy(await fetch(url(path)));
      assert.equal(plain.message, "Internal Server Error");
      assert.match((await logged(plain.request)).msg, message);
    });
  }

  it("cuts the connection where the body of the response breaks off, and logs why", async () => {
    const before = gateway.log.length;
    await assert.rejects(async () => {
      const response = await fetch(url("/breaks"));
      assert.equal(response.status, 200);
      await response.text();
    }, TypeError);
    const line = await gateway.logged((line, at) => at >= before && line["path"] === "/breaks");
    assert.deepEqual([line["code"], line.msg], ["app_failed", "RangeError: the body broke"]);
    assert.match(line["stack"] as string, /handler\.ts:3[0-9]/);
  });

  it("cuts the connection where a body is made of something else than bytes", async () => {
    await assert.rejects(async () => await (await fetch(url("/strings"))).text());
    const line = await gateway.logged((line) => line["path"] === "/strings");
    assert.match(line.msg, /expected Uint8Array/);
  });

  it("harms no other request", async () => {
    assert.equal(await (await fetch(url("/"))).text(), "fine");
    assert.ok(!gateway.log.some((line) => line.msg === "a VM ended"));
  });
});
