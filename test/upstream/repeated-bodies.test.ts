// A request body that was sent to a backend which failed: all of it comes to the next one, or it goes nowhere. Real gateway
// process, raw sockets on both sides.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it, type TestContext } from "node:test";
import { ask, Client } from "../http/client.ts";
import { TestGateway } from "../support/gateway.ts";
import { codeOf } from "./named-origin.ts";
import { ANSWERS_503, CLOSES, head, inTurn, sick, well } from "./sick-backend.ts";

const KEPT_BYTES = 5000;

let gateway: TestGateway;
before(async () => {
  gateway = await TestGateway.start("routing: {}");
});
after(() => gateway.stop("SIGKILL"));

const adopt = (...of: Parameters<typeof inTurn>) => gateway.adopt(inTurn(...of));

async function clientOf(t: TestContext): Promise<Client> {
  const client = await Client.connect(gateway.port);
  t.after(() => client.close());
  return client;
}

/** With every byte there is, and marks to stop at. */
function bodyOf(bytes: number): { start: string; rest: string } {
  const mark = "|middle|";
  const end = "|end|";
  const start = randomBytes(Math.floor(bytes / 2)).toString("latin1") + mark;
  return { start, rest: randomBytes(bytes - start.length - end.length).toString("latin1") + end };
}

const chunk = (data: string) => `${data.length.toString(16)}\r\n${data}\r\n`;

const FRAMINGS = {
  "of known length": {
    fields: (length: number) => `Content-Length: ${length}\r\n`,
    piece: (data: string) => data,
    end: "",
  },
  "in chunks": {
    fields: () => "Transfer-Encoding: chunked\r\n",
    piece: (data: string) => chunk(data.slice(0, 700)) + chunk(data.slice(700)),
    end: "0\r\n\r\n",
  },
};

describe("a body", () => {
  for (const [framing, { fields, piece, end }] of Object.entries(FRAMINGS)) {
    for (const [when, until] of [
      ["behind the head", "\r\n\r\n"],
      ["in the middle", "|middle|"],
      ["at the end", "|end|"],
    ] as const) {
      for (const [what, fault] of [
        ["closes", CLOSES],
        ["answers 503", ANSWERS_503],
      ] as const) {
        it(`${framing} is whole at the second backend, where the first one ${what} ${when}`, async (t) => {
          const [first, second] = [await sick(t, fault, until), await well(t)];
          await adopt([first, second], `body: ${KEPT_BYTES}b, on: [closed, 503]`);
          const { start, rest } = bodyOf(KEPT_BYTES);
          const client = await clientOf(t);
          client.send(head("PUT", fields(KEPT_BYTES)) + piece(start));
          // The rest is sent when the second attempt may be on its way.
          if (until !== "|end|") await (await first.connection(0)).untilEnd();
          client.send(piece(rest) + end);
          assert.equal((await client.answer("PUT")).status, 200);
          assert.ok(second.only.body === start + rest, "the body differs");
          assert.equal(second.only.chunked, end !== "");
          assert.equal(first.connections.length, 1);
        });
      }
    }

    it(`${framing} longer than retry.body is sent once`, async (t) => {
      const [first, second] = [await sick(t, CLOSES, "|end|"), await well(t)];
      await adopt([first, second], `body: ${KEPT_BYTES}b`);
      const { start, rest } = bodyOf(KEPT_BYTES + 1);
      const { answer } = await ask(
        gateway.port,
        head("PUT", fields(KEPT_BYTES + 1)) + piece(start) + piece(rest) + end,
      );
      assert.deepEqual([answer.status, codeOf(answer)], [502, "upstream_closed"]);
      assert.equal(second.requests.length, 0);
    });
  }

  it("in chunks may be empty", async (t) => {
    const [first, second] = [await sick(t, CLOSES, "0\r\n\r\n"), await well(t)];
    await adopt([first, second], "");
    const { answer } = await ask(gateway.port, `${head("PUT", "Transfer-Encoding: chunked\r\n")}0\r\n\r\n`);
    assert.equal(answer.status, 200);
    assert.deepEqual([second.only.chunked, second.only.body], [true, ""]);
  });

  it("with trailers is sent once: they are not kept", async (t) => {
    const [first, second] = [await sick(t, CLOSES, "X-Sum: 1\r\n\r\n"), await well(t)];
    await adopt([first, second], "");
    const request = `${head("PUT", "Transfer-Encoding: chunked\r\n")}4\r\nbody\r\n0\r\nX-Sum: 1\r\n\r\n`;
    assert.equal((await ask(gateway.port, request)).answer.status, 502);
    assert.equal(second.requests.length, 0);
  });
});
