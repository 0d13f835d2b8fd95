// How VMs end: each end has its name, is counted and logged, and another VM takes over. Real VMs, real ends.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Supervised } from "./supervised.ts";

const HANG_TIMEOUT_MS = 500;

describe("the end of a VM", () => {
  let work: Supervised;
  beforeEach(async () => {
    work = await Supervised.start("memory: 64mb, timeout: 60s");
  });
  afterEach(() => work.gateway.stop());

  async function endOf(path: string, outcome: string) {
    const { id } = await work.vm();
    const before = (await work.app()).outcomes[outcome]!;
    const response = await work.get(path).catch(() => null);
    const line = await work.ended(outcome, id);
    // The next one serves.
    assert.equal(await (await work.get("/")).text(), "one");
    const { outcomes } = await work.app();
    assert.equal(outcomes[outcome], before + 1);
    assert.equal(line["app"], "work");
    assert.match(
      await work.metrics(),
      new RegExp(`sluice_app_vm_ends_total{app="work",outcome="${outcome}"} ${before + 1}\n`),
    );
    return { response, line };
  }

  it("is exited where the app called process.exit", async () => {
    const { response, line } = await endOf("/exit", "exited");
    assert.equal(response?.status, 502);
    assert.equal(line["exit"], "exit code 3");
  });

  for (const [what, path, output] of [
    ["an exception that nobody caught", "/throw", /Error: nobody caught this/],
    ["a rejection that nobody handled", "/reject", /Error: nobody awaited this/],
  ] as const) {
    it(`is crashed for ${what}, and its last lines are logged`, async () => {
      const { line } = await endOf(path, "crashed");
      assert.match(String(line["output"]), output);
    });
  }

  it("is crashed for a signal of its own", async () => {
    const { response, line } = await endOf("/abort", "crashed");
    assert.equal(response?.status, 502);
    // The first process of a namespace cannot abort, and runs on into the trap behind it.
    assert.match(String(line["exit"]), /^SIG(ABRT|SEGV)$/);
  });

  it("is crashed for rubbish on its link to a data thread", async () => {
    const { line } = await endOf("/rubbish", "crashed");
    assert.match(line.msg, /what no VM should/);
  });

  for (const [what, path, why] of [
    ["a message that no VM sends", "/ipc", "a message that no VM sends"],
    ["what is no message", "/ipc-garbage", "what is no message"],
    ["a word that only Node says", "/ipc-ack", "what only Node says"],
    ["a socket", "/ipc-socket", "what only Node says"],
    ["a message without an end", "/ipc-endless", "a message of more than 1048576 bytes"],
    ["more messages than any VM has", "/ipc-flood", "more than 8388608 bytes in a second"],
  ] as const) {
    it(`is crashed for ${what} on its channel to the control thread`, async () => {
      const { line } = await endOf(path, "crashed");
      assert.ok(line.msg.endsWith(`it sent the gateway what no VM should: ${why}`), line.msg);
    });
  }

  it("is out_of_memory where the heap is full", async () => {
    const { response } = await endOf("/heap", "out_of_memory");
    assert.equal(response?.status, 502);
  });

  it("is out_of_memory where buffers outside of the heap take too much", async () => {
    const { response, line } = await endOf("/buffers", "out_of_memory");
    assert.equal(response?.status, 502);
    assert.match(line.msg, /it took \d+ MB of memory: expected at most 192 MB/);
  });
});

describe("a VM that does not answer", () => {
  let work: Supervised;
  beforeEach(async () => {
    work = await Supervised.start(`hang_timeout: ${HANG_TIMEOUT_MS}ms, timeout: 60s`);
  });
  afterEach(() => work.gateway.stop());

  it("is hung, and another one serves soon", async () => {
    const begun = performance.now();
    const hanging = work.get("/spin");
    const { id } = await work.vm();
    await work.ended("hung", id);
    assert.equal((await hanging).status, 502);
    assert.equal(await (await work.get("/")).text(), "one");
    const ms = performance.now() - begun;
    assert.ok(ms > HANG_TIMEOUT_MS && ms < 10 * HANG_TIMEOUT_MS, `${ms} ms`);
  });

  it("goes on where it blocks for less than hang_timeout", async () => {
    const { id } = await work.vm();
    assert.equal((await work.get(`/block?ms=${HANG_TIMEOUT_MS * 0.6}`)).status, 200);
    assert.equal((await work.vm()).id, id);
  });
});
