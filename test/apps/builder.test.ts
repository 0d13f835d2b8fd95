// The process that builds apps is there only while it builds.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { it } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { descendantsOf } from "./processes.ts";
import { writeApp } from "./write-app.ts";

it("nothing but VMs runs below a gateway whose apps are built", async (t) => {
  const entries = ["one", "two"].map((answer) => writeApp(`export default () => new Response("${answer}");`));
  const apps = entries.map((entry, i) => `a${i}: { entry: ${entry}, isolation: none }`).join(", ");
  const gateway = await TestGateway.start(
    `apps: { ${apps} }\nrouting: { one: { path: /one, app: a0 }, two: { path: /two, app: a1 } }`,
  );
  t.after(() => gateway.stop());
  for (const path of ["one", "two"]) {
    assert.equal(await (await fetch(`http://127.0.0.1:${gateway.port}/${path}`)).text(), path);
  }
  const reloaded = await gateway.reload();
  assert.equal(reloaded.level, "info");
  // It is told to end when all is built, and takes a moment to be gone.
  while (!onlyVms(gateway.process.pid!)) await new Promise((resolve) => setTimeout(resolve, 20));
});

function onlyVms(gateway: number): boolean {
  const commands = descendantsOf(gateway).map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8");
    } catch {
      return "gone";
    }
  });
  return commands.length === 2 && commands.every((command) => command.includes("vm.mjs"));
}
