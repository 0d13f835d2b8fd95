// Upgrades: a tunnel only after a 101 that names a protocol which was offered, and every byte of it both ways. A real
// gateway between raw sockets.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import type { RawConnection } from "../support/raw.ts";
import { ask, type Client } from "./client.ts";
import { OK } from "./origin.ts";
import { Pair } from "./pair.ts";
import { valuesOf } from "./strict-reading.ts";

let pair: Pair;
before(async () => {
  pair = await Pair.start();
});
beforeEach(() => pair.origin.reset());
after(() => pair.stop());

function offer(upgrade: string, more = "", version = "1.1"): string {
  return `GET /chat HTTP/${version}\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\n${more}\r\n`;
}

function switching(upgrade: string, more = ""): string {
  return `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\n${more}\r\n`;
}

/** A client that asks for an upgrade, and the origin's end of the connection, which said `answer`. */
async function upgraded(request: string, answer: string): Promise<readonly [Client, RawConnection]> {
  const asked = new Promise<RawConnection>((resolve) => {
    pair.origin.answer = (_, connection) => {
      resolve(connection);
      return answer;
    };
  });
  const client = await pair.connect();
  client.send(request);
  return [client, await asked];
}

describe("an upgrade", { timeout: 120_000 }, () => {
  it("is offered to the backend, in the gateway's own words", async () => {
    const request = offer(
      "WebSocket",
      "Connection: X-A\r\nX-A: 1\r\nSec-WebSocket-Key: k\r\nKeep-Alive: 5\r\n",
    );
    const [client] = await upgraded(request, switching("websocket"));
    assert.equal((await client.answer()).status, 101);
    const { fields } = pair.origin.only;
    assert.deepEqual(valuesOf(fields, "connection"), ["Upgrade"]);
    assert.deepEqual(valuesOf(fields, "upgrade"), ["websocket"]);
    assert.deepEqual(valuesOf(fields, "sec-websocket-key"), ["k"]);
    assert.deepEqual([...valuesOf(fields, "x-a"), ...valuesOf(fields, "keep-alive")], []);
    client.close();
  });

  it("is answered with the backend's fields, in the gateway's own words", async () => {
    const answer = switching(
      "WebSocket",
      "Sec-WebSocket-Accept: x\r\nConnection: X-A\r\nX-A: 1\r\nKeep-Alive: 5\r\n",
    );
    const [client] = await upgraded(offer("websocket"), answer);
    const { status, fields } = await client.answer();
    assert.equal(status, 101);
    assert.deepEqual(fields, [
      ["Sec-WebSocket-Accept", "x"],
      ["Connection", "Upgrade"],
      ["Upgrade", "websocket"],
    ]);
    client.close();
  });

  it("is a tunnel for every byte, both ways", async () => {
    const [client, backend] = await upgraded(offer("a, b/2"), switching("b/2"));
    await client.answer();
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString("latin1");
    client.send(bytes);
    await backend.until(bytes);
    backend.write(bytes);
    await client.connection.until(bytes);
    client.send("GET /smuggled HTTP/1.1\r\n\r\n");
    await backend.until("GET /smuggled HTTP/1.1\r\n\r\n");
    client.close();
  });

  it("loses no byte that either side sends early", async () => {
    const [client, backend] = await upgraded(
      `${offer("x")}early from the client`,
      `${switching("x")}early from the backend`,
    );
    await backend.until("early from the client");
    assert.equal((await client.answer()).status, 101);
    await client.connection.until("early from the backend");
    client.close();
  });

  it("ends on both sides when one side ends", async () => {
    for (const side of ["client", "backend"] as const) {
      const [client, backend] = await upgraded(offer("x"), switching("x"));
      await client.answer();
      const [ending, other] = side === "client" ? [client.connection, backend] : [backend, client.connection];
      ending.write("last words");
      ending.socket.end();
      assert.ok((await other.untilEnd()).endsWith("last words"));
      other.socket.end();
      await ending.untilEnd();
    }
  });
});

describe("an upgrade that the backend refuses", { timeout: 120_000 }, () => {
  for (const status of ["200 OK", "403 Forbidden", "426 Upgrade Required"]) {
    it(`is a plain answer, and the connection goes on: ${status}`, async () => {
      pair.origin.answer = ({ target }) =>
        target === "/chat"
          ? `HTTP/1.1 ${status}\r\nUpgrade: x\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nno`
          : OK;
      const client = await pair.connect();
      client.send(`${offer("websocket")}GET /next HTTP/1.1\r\nHost: a\r\n\r\n`);
      const answer = await client.answer();
      assert.deepEqual([answer.status, answer.body], [Number.parseInt(status, 10), "no"]);
      assert.deepEqual([...valuesOf(answer.fields, "upgrade"), ...valuesOf(answer.fields, "connection")], []);
      assert.equal((await client.answer()).body, "ok");
      assert.deepEqual(
        pair.origin.requests.map(({ target }) => target),
        ["/chat", "/next"],
      );
      client.close();
    });
  }
});

describe("a 101", { timeout: 120_000 }, () => {
  const get = "GET /chat HTTP/1.1\r\nHost: a\r\n\r\n";
  // biome-ignore format: one case a line
  const LIES: ReadonlyArray<readonly [title: string, request: string, answer: string]> = [
    ["nobody offered anything", get, switching("websocket")],
    ["another protocol was offered", offer("websocket"), switching("x")],
    ["a part of the name was offered", offer("websocket"), switching("web")],
    ["another version was offered", offer("x/1"), switching("x/2")],
    ["it names no protocol", offer("websocket"), "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n"],
    ["it names an empty one", offer("websocket"), switching("")],
    ["it names several", offer("a, b"), switching("a, b")],
    ["its Connection does not say so", offer("websocket"), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"],
    ["the client speaks HTTP/1.0", offer("websocket", "", "1.0"), switching("websocket")],
  ];
  for (const [title, request, answer] of LIES) {
    it(`is 502 when ${title}`, async () => {
      pair.origin.answer = () => `${answer}tunnel?`;
      const { answer: got, after: rest } = await ask(pair.port, request);
      assert.deepEqual([got.status, rest], [502, ""]);
      await pair.origin.backend.connections.at(-1)!.untilEnd();
    });
  }
});

describe("what is no upgrade", { timeout: 120_000 }, () => {
  // biome-ignore format: one case a line
  const PLAIN: ReadonlyArray<readonly [title: string, request: string]> = [
    ["h2c", offer("h2c", "HTTP2-Settings: x\r\n")],
    ["h2c among others", offer("websocket, H2C")],
    ["nothing", offer("")],
    ["one that Connection does not name", "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"],
    ["one of HTTP/1.0", offer("websocket", "", "1.0")],
    ["one with a body", `POST /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nhi`],
  ];
  for (const [title, request] of PLAIN) {
    it(`goes on as a plain request: ${title}`, async () => {
      const { answer } = await ask(pair.port, request);
      assert.equal(answer.status, 200);
      const { fields } = pair.origin.only;
      for (const name of ["upgrade", "connection", "http2-settings"])
        assert.deepEqual(valuesOf(fields, name), []);
    });
  }
});
