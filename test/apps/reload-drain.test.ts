// What is under way at the old version of an app when a new one takes over.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { open } from "./websocket-client.ts";
import { writeFiles } from "./write-app.ts";

const version = (name: string) => `
declare const WebSocketPair: new () => [WebSocket, WebSocket & { accept(): void }];

export default async (request: Request): Promise<Response> => {
  if (request.headers.get("upgrade") === "websocket") {
    const [client, server] = new WebSocketPair();
    server.accept();
    server.addEventListener("message", ({ data }) => server.send("${name}: " + data));
    return new Response(null, { status: 101, webSocket: client } as ResponseInit);
  }
  if (request.method === "GET") return new Response("${name}");
  // Answers each piece of the request as it comes.
  const body = request.body!.pipeThrough(new TransformStream({
    transform(piece, controller) { controller.enqueue(new TextEncoder().encode("${name}: " + new TextDecoder().decode(piece))); },
  }));
  return new Response(body);
};
`;

describe("the old version of an app", { timeout: 60_000 }, () => {
  async function start(more: string): Promise<{ gateway: TestGateway; reload: () => Promise<void> }> {
    const folder = writeFiles({ "app.ts": version("old") });
    const gateway = await TestGateway.start(
      `apps: { app: { entry: ${folder}/app.ts, request_buffer: 0, ${more} } }\nrouting: { all: { app: app } }\n`,
    );
    const reload = async () => {
      writeFileSync(join(folder, "app.ts"), version("new"));
      assert.equal((await gateway.reload()).level, "info");
      assert.equal(await (await fetch(`http://127.0.0.1:${gateway.port}/`)).text(), "new");
    };
    return { gateway, reload };
  }

  it("keeps its WebSockets until they close, and then ends", async () => {
    const { gateway, reload } = await start("");
    try {
      const before = await open(gateway.port, "/");
      before.send("1");
      assert.equal(await before.next(), "old: 1");
      await reload();
      const after = await open(gateway.port, "/");
      for (const [client, name] of [
        [before, "old"],
        [after, "new"],
      ] as const) {
        client.send("2");
        assert.equal(await client.next(), `${name}: 2`);
      }
      assert.ok(!gateway.log.some((line) => "outcome" in line));
      before.close();
      const { outcome, vm } = await gateway.logged((line) => "outcome" in line);
      assert.deepEqual([outcome, vm], ["replaced", 1]);
      after.close();
    } finally {
      await gateway.stop();
    }
  });

  it("is ended at drain_timeout with what is left", async () => {
    const { gateway, reload } = await start("drain_timeout: 300ms");
    try {
      const client = await open(gateway.port, "/");
      client.send("1");
      assert.equal(await client.next(), "old: 1");
      await reload();
      await client.ended;
      const line = await gateway.logged((line) => "outcome" in line);
      assert.equal(line["outcome"], "replaced");
      assert.match(line.msg, /not done within 300 ms/);
    } finally {
      await gateway.stop();
    }
  });

  it("finishes a request whose body and response are under way", async () => {
    const { gateway, reload } = await start("");
    try {
      let send: ReadableStreamDefaultController<Uint8Array> | undefined;
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          send = controller;
          controller.enqueue(Buffer.from("1"));
        },
      });
      const response = await fetch(`http://127.0.0.1:${gateway.port}/`, {
        method: "POST",
        body,
        duplex: "half",
      });
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      assert.equal((await reader.read()).value, "old: 1");
      await reload();
      send!.enqueue(Buffer.from("2"));
      assert.equal((await reader.read()).value, "old: 2");
      send!.close();
      assert.equal((await reader.read()).done, true);
      const line = await gateway.logged((line) => "outcome" in line);
      assert.equal(line["outcome"], "replaced");
    } finally {
      await gateway.stop();
    }
  });
});
