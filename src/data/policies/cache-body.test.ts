import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Exchange, ResponseHead } from "../../core/exchange.ts";
import { HeaderList } from "../../core/headers.ts";
import { BodySender, GrowingBody } from "./cache-body.ts";
import { Room } from "./cache-room.ts";

const HEAD: ResponseHead = { status: 200, reason: "", headers: new HeaderList(), bodyLength: -1 };

/** A client that takes what the test lets it. */
class SlowClient {
  readonly pieces: Buffer[] = [];
  flows = true;
  ended = false;
  sendHead(_head: ResponseHead, body: Buffer | null, last: boolean): boolean {
    if (body !== null) this.pieces.push(body);
    this.ended = last;
    return this.flows;
  }
  sendBody(chunk: Buffer): boolean {
    assert.ok(this.flows, "sent to a client that takes nothing");
    assert.ok(chunk.length > 0);
    this.pieces.push(chunk);
    return this.flows;
  }
  sendEnd(): void {
    assert.ok(!this.ended);
    this.ended = true;
  }
}

function exchangeOf(client: SlowClient): Exchange {
  return { client, action: null, finished: false } as unknown as Exchange;
}

describe("a body that grows", () => {
  it("is what was added, and takes no more than its limit", () => {
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40_000 }), { maxLength: 12 });
    fc.assert(
      fc.property(
        chunks,
        fc.nat(200_000),
        fc.boolean(),
        fc.boolean(),
        (pieces, most, isDeclared, isRoomy) => {
          const all = Buffer.concat(pieces);
          const room = new Room(isRoomy ? 1e9 : most);
          const body = new GrowingBody(most, room);
          const hasRoom = !isDeclared || body.reserve(all.length);
          const fits = hasRoom && pieces.every((piece) => body.append(Buffer.from(piece)));
          assert.equal(fits, all.length <= most);
          assert.ok(room.taken <= most);
          if (!fits) return;
          assert.ok(body.bytes.equals(all));
          const end = body.end();
          assert.ok(end.equals(all));
          assert.equal(end.buffer.byteLength, all.length);
          assert.ok(room.taken >= all.length);
          body.leaveRoom();
          assert.equal(room.taken, 0);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe("a sender", () => {
  it("sends all of a body, whole or not yet, and nothing to a client that does not take it", () => {
    const steps = fc.array(
      fc.oneof(fc.constant("drain" as const), fc.constant("stop" as const), fc.nat(150_000)),
      {
        maxLength: 30,
      },
    );
    fc.assert(
      fc.property(steps, fc.boolean(), (does, flows) => {
        const client = new SlowClient();
        client.flows = flows;
        const room = new Room(10_000_000);
        const body = new GrowingBody(10_000_000, room);
        const sender = new BodySender(exchangeOf(client), body, room);
        sender.start(HEAD);
        let sent = Buffer.alloc(0);
        for (const [i, step] of does.entries()) {
          if (step === "stop") client.flows = false;
          else if (step === "drain") {
            client.flows = true;
            sender.onClientDrain();
          } else {
            const chunk = Buffer.alloc(step, i);
            sent = Buffer.concat([sent, chunk]);
            body.append(chunk);
            // A client that stops says so with the next piece: it may get that one.
            if (client.flows) sender.pump();
          }
        }
        body.end();
        client.flows = true;
        sender.onClientDrain();
        body.leaveRoom();
        assert.equal(room.taken, 0);
        assert.ok(client.ended);
        assert.ok(Buffer.concat(client.pieces).equals(sent));
      }),
      { numRuns: 50 },
    );
  });

  it("waits for the client while the body goes on", () => {
    const client = new SlowClient();
    client.flows = false;
    const room = new Room(10_000_000);
    const body = new GrowingBody(300_000, room);
    const exchange = exchangeOf(client);
    const sender = new BodySender(exchange, body, room);
    body.append(Buffer.alloc(10, "a"));
    sender.start(HEAD);
    for (let i = 0; i < 10; i++) {
      body.append(Buffer.alloc(20_000, "b"));
      sender.pump();
    }
    assert.equal(client.pieces.length, 1);
    assert.equal(exchange.action, sender);
    client.flows = true;
    sender.onClientDrain();
    assert.equal(Buffer.concat(client.pieces).length, 200_010);
    assert.ok(!client.ended);
  });

  it("holds on to a body while its client is slow, which counts once for all of them", () => {
    const room = new Room(1000);
    const bytes = Buffer.alloc(200_000);
    const slow = Array.from({ length: 3 }, () => {
      const client = new SlowClient();
      client.flows = false;
      const sender = new BodySender(exchangeOf(client), { bytes, whole: true }, room);
      sender.start(HEAD);
      return { client, sender };
    });
    assert.equal(room.taken, bytes.length);
    assert.equal(room.take(1), false);
    const [first, second, third] = slow;
    first!.client.flows = true;
    first!.sender.onClientDrain();
    assert.ok(first!.client.ended);
    second!.sender.onAborted();
    second!.sender.onAborted();
    assert.equal(room.taken, bytes.length);
    third!.sender.onAborted();
    assert.equal(room.taken, 0);
    assert.equal(room.take(1000), true);
  });

  it("holds on to nothing for a client that takes all at once", () => {
    const room = new Room(1000);
    for (const size of [0, 10, 65_536, 65_537, 200_000]) {
      const client = new SlowClient();
      new BodySender(exchangeOf(client), { bytes: Buffer.alloc(size), whole: true }, room).start(HEAD);
      assert.ok(client.ended);
    }
    assert.equal(room.taken, 0);
  });
});
