// examples/sse-clock, run as it is, with shorter seconds.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { TestGateway } from "../support/gateway.ts";

let gateway: TestGateway;
before(async () => {
  gateway = await TestGateway.startExample("sse-clock", { TICK_MS: "20" });
});
after(() => gateway.stop());

function url(path: string): string {
  return `http://127.0.0.1:${gateway.port}${path}`;
}

async function watching(count: number): Promise<void> {
  for (;;) {
    const now = (await (await fetch(url("/watching"))).json()) as { watching: number };
    if (now.watching === count) return;
  }
}

it("ticks until its client leaves", async () => {
  const leave = new AbortController();
  const response = await fetch(url("/clock"), { signal: leave.signal });
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  let text = "";
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  while (text.split("\n\n").length < 4) text += decoder.decode((await reader.read()).value, { stream: true });
  const times = text.match(/^data: .*$/gm)!.map((line) => Date.parse(line.slice("data: ".length)));
  assert.ok(times[0]! < times[1]! && times[1]! < times[2]!, text);
  await watching(1);
  leave.abort();
  await watching(0);
});

it("has a page that watches", async () => {
  const response = await fetch(url("/"));
  assert.match(await response.text(), /new EventSource\("\/clock"\)/);
});
