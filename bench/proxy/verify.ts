// Before anything is measured: does a contestant do the work that is compared?

import assert from "node:assert/strict";
import { Agent, request } from "node:http";
import type { Server } from "../lib/server.ts";
import { LARGE_BYTES, SMALL_BODY } from "./backend.ts";

/** Throws unless bodies arrive whole, the backend gets X-Forwarded-* and its connection is used again. */
export async function verifyContestant({ name, port }: Server): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = (path: string, body?: string) => exchange(agent, port, path, body);
  assert.equal(await ask("/small"), SMALL_BODY, `${name}: small response`);
  assert.equal((await ask("/large")).length, LARGE_BYTES, `${name}: large response`);
  assert.equal(await ask("/upload", "x".repeat(LARGE_BYTES)), SMALL_BODY, `${name}: upload`);
  const first = await ask("/seen");
  assert.match(
    first,
    new RegExp(`^127\\.0\\.0\\.1 http 127\\.0\\.0\\.1:${port} \\d+$`),
    `${name}: X-Forwarded-*`,
  );
  assert.equal(await ask("/seen"), first, `${name}: the second request came on another connection`);
  agent.destroy();
}

function exchange(agent: Agent, port: number, path: string, body?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { agent, host: "127.0.0.1", port, path, method: body === undefined ? "GET" : "POST" };
    const sent = request(options, async (response) => {
      const chunks = await response.setEncoding("utf8").toArray();
      resolve(chunks.join(""));
    });
    sent.once("error", reject);
    sent.end(body);
  });
}
