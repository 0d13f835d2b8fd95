// What is sent a second time when a backend fails a request that it got, and what never is. Real gateway process, raw
// sockets on both sides.

import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { ask, Client } from "../http/client.ts";
import { OK } from "../http/origin.ts";
import { Blackhole } from "../support/blackhole.ts";
import { TestGateway } from "../support/gateway.ts";
import type { RawBackend, RawConnection } from "../support/raw.ts";
import { codeOf, configOf } from "./named-origin.ts";
import {
  ANSWERS_503,
  CLOSES,
  type Fault,
  head,
  inTurn,
  RULES,
  SAYS_NOTHING,
  sick,
  well,
} from "./sick-backend.ts";

let gateway: TestGateway;
before(async () => {
  gateway = await TestGateway.start("routing: {}", { stdout: "pipe" });
});
after(() => gateway.stop("SIGKILL"));

const FAULTS: Readonly<Record<string, Fault>> = {
  closes: CLOSES,
  resets: { on: "closed", act: ({ socket }) => socket.resetAndDestroy() },
  "closes in the head": {
    on: "closed",
    act: ({ socket }) => socket.end("HTTP/1.1 200 OK\r\nContent-Le"),
  },
  "closes behind an interim response": {
    on: "closed",
    act: ({ socket }) => socket.end("HTTP/1.1 103 Early Hints\r\n\r\n"),
  },
  "talks rubbish": {
    on: "malformed",
    act: (connection) => connection.write("SSH-2.0-OpenSSH_9.2p1\r\n"),
  },
  "begins its body with rubbish": {
    on: "malformed",
    act: (connection) => connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
  },
  "says nothing": SAYS_NOTHING,
  "stops in the head": {
    on: "timeout",
    act: (connection) => connection.write("HTTP/1.1 200 OK\r\nContent-Le"),
  },
  "answers 503": ANSWERS_503,
  "answers 404 and does not come to an end": {
    on: "404",
    act: (connection) => connection.write("HTTP/1.1 404 Not Found\r\nContent-Length: 40\r\n\r\nnot found"),
  },
};
const EVERYTHING = [...new Set(Object.values(FAULTS).map(({ on }) => on))];

const adopt = (...of: Parameters<typeof inTurn>) => gateway.adopt(inTurn(...of));

async function clientOf(t: TestContext): Promise<Client> {
  const client = await Client.connect(gateway.port);
  t.after(() => client.close());
  return client;
}

describe("an idempotent request goes to another backend when the first one", () => {
  for (const [what, fault] of Object.entries(FAULTS)) {
    it(`${what}, if retry.on has ${fault.on}, and else does not`, async (t) => {
      const others = EVERYTHING.filter((word) => word !== fault.on);
      for (const [on, isWanted] of [
        [fault.on, true],
        [others.join(", "), false],
      ] as const) {
        const [first, second] = [await sick(t, fault), await well(t)];
        await adopt([first, second], `on: [${on}]`);
        const client = await clientOf(t);
        client.send(head("GET"));
        // An answer without end is no answer for `Client`.
        const text = await client.connection.until(/ok$|\}\}\n$|full$|found$/);
        assert.equal(first.connections.length, 1);
        assert.equal(second.requests.length, isWanted ? 1 : 0);
        assert.equal(/HTTP\/1\.1 200 OK\r\n.*\r\n\r\nok$/s.test(text), isWanted, text);
        client.close();
      }
    });
  }

  for (const method of ["HEAD", "OPTIONS", "TRACE", "DELETE", "PUT"]) {
    it(`closes, also with ${method}`, async (t) => {
      const [first, second] = [await sick(t, CLOSES), await well(t)];
      await adopt([first, second], "");
      const { answer } = await ask(gateway.port, head(method));
      assert.equal(answer.status, 200);
      assert.equal(second.only.method, method);
    });
  }

  it("has not answered within retry.per_try_timeout", async (t) => {
    const [first, second] = [await sick(t, SAYS_NOTHING), await well(t)];
    await adopt([first, second], "per_try_timeout: 200ms", "response: 10m");
    const startedAt = performance.now();
    const { answer } = await ask(gateway.port, head("GET"));
    assert.equal(answer.status, 200);
    assert.ok(performance.now() - startedAt >= 200);
    assert.equal(second.requests.length, 1);
  });
});

describe("a request is sent", () => {
  const sum = (backends: readonly RawBackend[]) =>
    backends.reduce((count, { connections }) => count + connections.length, 0);

  for (const { attempts, seen } of [
    { attempts: "", seen: 3 },
    { attempts: "attempts: 1", seen: 1 },
    { attempts: "attempts: 2", seen: 2 },
    { attempts: "attempts: 100", seen: 5 },
  ]) {
    it(`to ${seen} of 5 sick backends with ${attempts || "the default"}`, async (t) => {
      const backends = await Promise.all(Array.from({ length: 5 }, () => sick(t, CLOSES)));
      await adopt(backends, attempts);
      const { answer } = await ask(gateway.port, head("GET"));
      assert.deepEqual([answer.status, codeOf(answer)], [502, "upstream_closed"]);
      assert.equal(sum(backends), seen);
    });
  }

  it("again for a status until the last backend's answer, which the client gets as it is", async (t) => {
    const backends = [await sick(t, ANSWERS_503), await sick(t, ANSWERS_503)];
    await adopt(backends, "on: [503]");
    const { answer } = await ask(gateway.port, head("GET"));
    assert.deepEqual([answer.status, answer.body], [503, "full"]);
    assert.equal(sum(backends), 2);
  });

  for (const method of ["POST", "PATCH", "BREW"]) {
    for (const [what, fault] of [
      ["closes", CLOSES],
      ["says nothing", SAYS_NOTHING],
      ["answers 503", ANSWERS_503],
    ] as const) {
      it(`once, if it is a ${method}, where a backend ${what}`, async (t) => {
        for (const body of ["", "body"]) {
          const [first, second] = [await sick(t, fault, `\r\n\r\n${body}`), await well(t)];
          await adopt([first, second], `on: [${EVERYTHING.join(", ")}]`);
          const { answer } = await ask(
            gateway.port,
            head(method, `Content-Length: ${body.length}\r\n`) + body,
          );
          assert.ok(answer.status >= 500, `${answer.status}`);
          assert.deepEqual([first.connections.length, second.requests.length], [1, 0]);
        }
      });
    }
  }

  for (const { what, began, fails } of [
    { what: "breaks off", began: "Content-Length: 10\r\n\r\nhalf", fails: CLOSES.act },
    { what: "stops", began: "Content-Length: 10\r\n\r\nhalf", fails: SAYS_NOTHING.act },
    {
      what: "turns to rubbish",
      began: "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
      fails: (connection: RawConnection) => connection.write("zz\r\n"),
    },
  ]) {
    it(`once, if a response began that ${what}`, async (t) => {
      const client = await clientOf(t);
      const act = async (connection: RawConnection) => {
        connection.write(`HTTP/1.1 200 OK\r\n${began}`);
        await client.connection.until("half");
        fails(connection);
      };
      const [first, second] = [await sick(t, { on: "", act }), await well(t)];
      await adopt([first, second], `on: [${EVERYTHING.join(", ")}]`, "response: 300ms, idle: 300ms");
      client.send(head("GET"));
      assert.equal(await client.connection.untilGone(), "reset");
      assert.deepEqual([first.connections.length, second.requests.length], [1, 0]);
    });
  }
});

describe("a client that leaves during a second attempt", () => {
  it("ends it at the backend", async (t) => {
    const [first, second] = [await sick(t, CLOSES), await sick(t, SAYS_NOTHING)];
    await adopt([first, second], "", "response: 10m");
    const client = await clientOf(t);
    client.send(head("GET"));
    const attempt = await second.connection(0);
    await attempt.until("\r\n\r\n");
    client.close();
    await attempt.untilEnd();
  });

  it("ends it in the middle of connecting", async (t) => {
    const blackhole = await Blackhole.start();
    t.after(() => blackhole.stop());
    const [first, second] = [await sick(t, CLOSES), await well(t)];
    await adopt([first, blackhole, second], "attempts: 2", "connect: 10m");
    const client = await clientOf(t);
    client.send(head("GET").replace("/", "/leaves"));
    await (await first.connection(0)).untilEnd();
    client.close();
    const line = await gateway.logged((entry) => entry["path"] === "/leaves");
    assert.deepEqual([line["status"], line["error"]], [499, "client_gone"]);
    assert.equal(second.requests.length, 0);
  });
});

it("a request that is to be repeated waits where the other backend has no room", async (t) => {
  const [first, second] = [await sick(t, CLOSES), await well(t)];
  const held: RawConnection[] = [];
  second.answer = (_request, connection) => {
    held.push(connection);
    return null;
  };
  const entries = [first, second].map(
    ({ port }, i) => `{ id: b${i}, host: 127.0.0.1, port: ${port}, max_conn: 1 }`,
  );
  await gateway.adopt(configOf(entries, { rules: RULES }));
  const [one, other] = [await clientOf(t), await clientOf(t)];
  // Both are for the first backend first; one of them then has all the room of the second.
  one.send(head("GET"));
  const taken = await second.backend.connection(0);
  await taken.until("\r\n\r\n");
  other.send(head("GET"));
  await (await first.connection(1)).untilEnd();
  held[0]!.write(OK);
  assert.equal((await one.answer()).status, 200);
  await taken.until(/(\r\n\r\n.*){2}/s);
  held[1]!.write(OK);
  assert.equal((await other.answer()).status, 200);
});
