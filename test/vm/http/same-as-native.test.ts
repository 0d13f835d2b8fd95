// One table of cases over native and light classes: what a light one does, returns and throws is what a native one does.
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import type { Outcomes, Side } from "./side.ts";

async function outcomesOf(side: Side): Promise<Outcomes> {
  const worker = new Worker(new URL("side.ts", import.meta.url), { workerData: side });
  const [outcomes] = (await once(worker, "message")) as [Outcomes];
  await worker.terminate();
  return outcomes;
}

const native = await outcomesOf("native");

for (const side of ["light", "whole", "pieces"] as const) {
  const light = await outcomesOf(side);
  describe(`light classes, requests as the ${side === "light" ? "app makes them" : `link gives them (${side})`}`, () => {
    for (const [name, expected] of Object.entries(native)) {
      it(name, () => assert.equal(light[name], expected));
    }
  });
}
