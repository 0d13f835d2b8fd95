// examples/websocket-chat, run as it is.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Client, open } from "../apps/websocket-client.ts";
import { TestGateway } from "../support/gateway.ts";

describe("the example websocket-chat", { timeout: 60_000 }, () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await TestGateway.startExample("websocket-chat");
  });
  after(() => gateway.stop());

  const join = (room: string, name: string): Promise<Client> =>
    open(gateway.port, `/chat?${new URLSearchParams({ room, name })}`);
  const heard = async (client: Client): Promise<unknown> => JSON.parse(String(await client.next()));

  it("has a page", async () => {
    const response = await fetch(`http://127.0.0.1:${gateway.port}/`);
    assert.equal(response.headers.get("content-type"), "text/html; charset=utf-8");
    assert.match(await response.text(), /new WebSocket/);
  });

  it("passes on what one says to all in the same room, and says who comes and goes", async () => {
    const ada = await join("engines", "Ada");
    assert.deepEqual(await heard(ada), { type: "joined", name: "Ada", names: ["Ada"] });
    const other = await join("elsewhere", "Eve");
    const charles = await join("engines", "Charles");
    for (const client of [ada, charles])
      assert.deepEqual(await heard(client), { type: "joined", name: "Charles", names: ["Ada", "Charles"] });
    charles.send("It counts.");
    for (const client of [ada, charles])
      assert.deepEqual(await heard(client), { type: "said", name: "Charles", text: "It counts." });
    ada.close(1000);
    assert.deepEqual(await heard(charles), { type: "left", name: "Ada", names: ["Charles"] });
    assert.deepEqual(await heard(other), { type: "joined", name: "Eve", names: ["Eve"] });
    assert.equal(other.received.length, 0);
    for (const client of [charles, other]) client.terminate();
  });

  it("takes text of at most 4 KB", async () => {
    const ada = await join("limits", "Ada");
    ada.send(Buffer.from("binary"));
    assert.deepEqual(await ada.ended, { code: 1003, reason: "expected text" });
    const long = await join("limits", "Ada");
    long.send("x".repeat(4097));
    assert.equal((await long.ended).code, 1009);
  });

  it("says what it is for where no WebSocket is asked for", async () => {
    assert.equal((await fetch(`http://127.0.0.1:${gateway.port}/chat`)).status, 426);
  });
});
