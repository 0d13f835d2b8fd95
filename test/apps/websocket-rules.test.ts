// VMs that break the rules of a link on the stream of a WebSocket: each loses its link and its life. Real gateway and VMs.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { FrameType, MAX_PIECE_BYTES } from "../../src/wire/frames.ts";
import { TestGateway } from "../support/gateway.ts";
import { frameOf, open, RawWebSocket } from "./websocket-client.ts";
import { writeApp } from "./write-app.ts";

/** Writes what a message says to its own link: its socket is the only one of the VM. */
const HANDLER = `
import { Socket } from "node:net";
export default {
  fetch({ url }) {
    const { searchParams } = new URL(url);
    const { 0: client, 1: server } = new WebSocketPair();
    server.accept();
    server.onmessage = ({ data }) => {
      const link = process._getActiveHandles().find((one) => one instanceof Socket && one._handle?.fd > 2);
      for (let i = 0; i < searchParams.get("times"); i++) link.write(Buffer.from(data));
    };
    return new Response(null, { status: 101, webSocket: client });
  },
};
`;

/** Of the first exchange at a VM. */
const STREAM = 1;

function frame(type: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9);
  header.writeUInt32LE(payload.length, 0);
  header.writeUInt8(type, 4);
  header.writeUInt32LE(STREAM, 5);
  return Buffer.concat([header, payload]);
}

const message = (flags: number, bytes = 1) =>
  frame(FrameType.message, Buffer.concat([Buffer.from([flags]), Buffer.alloc(bytes, 0x61)]));

const BREACHES: readonly (readonly [string, Buffer, RegExp])[] = [
  ["flags that there are none of", message(4), /a message with flags 4/],
  ["a message of text and binary parts", Buffer.concat([message(3), message(0)]), /text and binary parts/],
  ["more credit than it took", frame(FrameType.credit, Buffer.from([0, 0, 2, 0])), /more credit than/],
  ["close code 1006", frame(FrameType.close, Buffer.from([0xee, 0x03])), /a close with code 1006/],
  ["a reason that is no UTF-8", frame(FrameType.close, Buffer.from([0xe8, 3, 0xff])), /no UTF-8/],
  [
    "a piece of a body",
    frame(FrameType.body, Buffer.from("x")),
    /a frame of type 2 on the stream of a WebSocket/,
  ],
];

describe("a VM that breaks the rules on the stream of a WebSocket", { timeout: 60_000 }, () => {
  let gateway: TestGateway;
  before(async () => {
    const entry = writeApp(HANDLER);
    const apps = [...BREACHES.map((_, i) => `app${i}: { entry: ${entry} }`), `credit: { entry: ${entry} }`];
    const routes = [
      ...BREACHES.map((_, i) => `route${i}: { path: /${i}, app: app${i} }`),
      "credit: { path: /credit, app: credit }",
    ];
    gateway = await TestGateway.start(`apps: { ${apps.join(", ")} }\nrouting: { ${routes.join(", ")} }`);
  });
  after(() => gateway.stop());

  for (const [i, [what, bytes, fault]] of BREACHES.entries()) {
    it(`is ended for ${what}`, async () => {
      const client = await open(gateway.port, `/${i}?times=1`);
      client.send(bytes);
      assert.equal((await client.ended).code, 1011);
      await gateway.logged(
        (line) =>
          line["app"] === `app${i}` && line["outcome"] === "crashed" && fault.test(JSON.stringify(line)),
      );
    });
  }

  it("is ended for more messages than it has credit for", async () => {
    const client = await RawWebSocket.open(gateway.port, "/credit?times=500");
    client.socket.pause();
    client.send(frameOf(2, message(0, MAX_PIECE_BYTES)));
    await gateway.logged(
      (line) =>
        line["app"] === "credit" && /more of messages than there was credit for/.test(JSON.stringify(line)),
    );
    client.socket.destroy();
  });
});
