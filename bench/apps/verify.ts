// Before anything is measured: does a contestant give the answers that are compared?

import assert from "node:assert/strict";
import { Agent, type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import { text } from "node:stream/consumers";
import { firstAnswer } from "../lib/first-answer.ts";
import type { Server } from "../lib/server.ts";
import { makeOrders, PATH, TARGET } from "./cases.ts";

/** Throws unless both exchanges give the right JSON, on one connection that stays. */
export async function verifyContestant({ name, port }: Server): Promise<void> {
  await firstAnswer(`http://127.0.0.1:${port}/`);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = new Set<Socket>();
  const ask = async (path: string, body?: string): Promise<unknown> => {
    const response = await exchange(agent, { port, path, body });
    sockets.add(response.socket);
    const answer = await text(response);
    assert.equal(response.statusCode, 200, `${name}: ${answer}`);
    assert.match(response.headers["content-type"] ?? "", /^application\/json\b/, `${name}: Content-Type`);
    return JSON.parse(answer);
  };
  for (let round = 0; round < 2; round++) {
    assert.deepEqual(await ask(TARGET), { hello: "world", path: PATH }, `${name}: the path of a URL`);
    assert.deepEqual(await ask("/echo", JSON.stringify(makeOrders())), makeOrders(), `${name}: echo`);
  }
  assert.equal(sockets.size, 1, `${name}: one connection for all exchanges`);
  agent.destroy();
}

interface Question {
  readonly port: number;
  readonly path: string;
  readonly body: string | undefined;
}

function exchange(agent: Agent, { port, path, body }: Question): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? "GET" : "POST";
    const headers = body === undefined ? {} : { "content-type": "application/json" };
    const sent = request({ agent, host: "127.0.0.1", port, path, method, headers }, resolve);
    sent.once("error", reject);
    sent.end(body);
  });
}
