// examples/hello: its configuration run as it is, and its handler alone.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Origin } from "../http/origin.ts";
import { TestGateway } from "../support/gateway.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

describe("the example hello", () => {
  it("serves one path by a handler, and all others by a backend", async () => {
    const origin = await Origin.start();
    const gateway = await TestGateway.startExample("hello", { BACKEND_PORT: `${origin.port}` });
    try {
      const response = await fetch(`http://127.0.0.1:${gateway.port}/hello`);
      assert.deepEqual(await response.json(), { hello: "world", path: "/hello" });
      const other = await fetch(`http://127.0.0.1:${gateway.port}/other`);
      assert.equal(await other.text(), "ok");
      assert.equal(origin.only.target, "/other");
    } finally {
      await gateway.stop();
      await origin.stop();
    }
  });

  it("is served alone by one command", async () => {
    const command = ["bin/sluice.js", "serve", "examples/hello/hello.ts", "--port", "0"];
    const served = spawn(process.execPath, command, { cwd: ROOT, stdio: ["ignore", "pipe", "ignore"] });
    const exited = once(served, "close");
    let said = "";
    for await (const text of served.stdout.setEncoding("utf8")) {
      said += text;
      if (said.includes("Ctrl-C stops")) break;
    }
    const address = /http:\S+:\d+\//.exec(said)?.[0];
    const response = await fetch(`${address}any/path`);
    assert.deepEqual(await response.json(), { hello: "world", path: "/any/path" });
    served.kill("SIGINT");
    assert.deepEqual(await exited, [0, null]);
  });
});
