// examples/rest-sqlite, run as it is, with its data elsewhere.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { allGone, descendantsOf } from "../apps/processes.ts";
import { TestGateway } from "../support/gateway.ts";

let gateway: TestGateway;
const folder = mkdtempSync(join(tmpdir(), "sluice-notes-"));
before(async () => {
  gateway = await TestGateway.startExample("rest-sqlite", { DATA: join(folder, "data") });
});
after(async () => {
  await gateway.stop();
  rmSync(folder, { recursive: true });
});

function ask(path: string, init?: RequestInit): Promise<Response> {
  return fetch(`http://127.0.0.1:${gateway.port}${path}`, init);
}

function add(body: string): Promise<Response> {
  return ask("/notes", { method: "POST", body });
}

it("adds, lists, finds and removes", async () => {
  const added = await add('{"text": "buy tea"}');
  assert.equal(added.status, 201);
  assert.equal(added.headers.get("location"), "/notes/1");
  const note = (await added.json()) as { id: number; text: string; created: string };
  assert.equal(note.text, "buy tea");
  assert.match(note.created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.deepEqual(await (await ask("/notes/1")).json(), note);
  assert.deepEqual(await (await ask("/notes")).json(), [note]);
  assert.equal((await ask("/notes/1", { method: "DELETE" })).status, 204);
  assert.equal((await ask("/notes/1")).status, 404);
  assert.deepEqual(await (await ask("/notes")).json(), []);
});

it("says what it does not take", async () => {
  for (const body of ["{", "{}", '{"text": " "}', "[1]", "null"]) assert.equal((await add(body)).status, 400);
  assert.equal((await ask("/notes/tea")).status, 404);
  assert.equal((await ask("/notes/1/2")).status, 404);
  assert.equal((await ask("/notes", { method: "PATCH", body: "x" })).status, 405);
  assert.equal((await add("x".repeat(70_000))).status, 413);
});

it("takes notes in both VMs at once, and keeps them when the VMs end", async () => {
  const texts = Array.from({ length: 40 }, (_, i) => `note ${i}`);
  const added = await Promise.all(texts.map((text) => add(JSON.stringify({ text }))));
  assert.deepEqual(new Set(added.map(({ status }) => status)), new Set([201]));
  assert.ok(existsSync(join(folder, "data/notes.db")));
  const vms = descendantsOf(gateway.process.pid!);
  for (const pid of vms) process.kill(pid, "SIGKILL");
  await allGone(vms);
  await gateway.logged(() => gateway.log.filter((line) => "outcome" in line).length === 2);
  const kept = (await (await ask("/notes")).json()) as { text: string }[];
  assert.deepEqual(kept.map(({ text }) => text).sort(), texts.sort());
});
