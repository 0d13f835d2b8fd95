// An error that nobody catches, outside of a request: ends its VM and nothing else.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { writeApp } from "./write-app.ts";

const HANDLER = `
interface Unused { readonly a: 1 }

function fail(text: string): never {
  throw new RangeError(text);
}

export default (request: Request): Response => {
  if (request.url.endsWith("/exception")) setImmediate(() => fail("in a callback"));
  if (request.url.endsWith("/rejection")) void Promise.resolve().then(() => fail("in a promise"));
  if (request.url.endsWith("/thenable")) return { then() { fail("in what is no promise"); } } as never;
  return new Response("fine");
};
`;

describe("an error that nobody catches", { timeout: 60_000 }, () => {
  for (const [path, text] of [
    ["/exception", "in a callback"],
    ["/rejection", "in a promise"],
  ] as const) {
    it(`ends its VM, whose last words tell of it in lines of the source: ${path}`, async () => {
      const entry = writeApp(HANDLER);
      const gateway = await TestGateway.start(
        `apps: { app: { entry: ${entry}, instances: 2 } }\nrouting: { all: { app: app } }\n`,
      );
      try {
        const url = `http://127.0.0.1:${gateway.port}`;
        // The answer may be out before the VM ends, or not.
        await (await fetch(url + path)).text();
        const line = await gateway.logged((line) => "outcome" in line);
        assert.deepEqual([line["outcome"], line["app"]], ["crashed", "app"]);
        const output = String(line["output"]);
        assert.ok(output.includes(`RangeError: ${text}`), output);
        assert.ok(output.includes(`at fail (${entry}:5:9)`), output);
        for (let i = 0; i < 20; i++) assert.equal(await (await fetch(url)).text(), "fine");
      } finally {
        await gateway.stop();
      }
    });
  }

  it("is none where a handler returns what looks like a promise, and throws", async () => {
    const gateway = await TestGateway.start(
      `apps: { app: { entry: ${writeApp(HANDLER)} } }\nrouting: { all: { app: app } }\n`,
    );
    try {
      const url = `http://127.0.0.1:${gateway.port}`;
      assert.equal((await fetch(`${url}/thenable`)).status, 500);
      await gateway.logged(({ msg }) => msg === "RangeError: in what is no promise");
      assert.equal(await (await fetch(url)).text(), "fine");
      assert.ok(!gateway.log.some((line) => "outcome" in line));
    } finally {
      await gateway.stop();
    }
  });
});
