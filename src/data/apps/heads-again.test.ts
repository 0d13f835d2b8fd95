// Responses whose head is the one that the VM had kept, from the link to the client. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GatewayError } from "../../core/errors.ts";
import { FrameType, HEAD_AGAIN, HEAD_ENDS, HEAD_KEPT } from "../../wire/frames.ts";
import { type ScriptedVm, TestApp } from "./scripted-vm.test.ts";

const { head } = FrameType;
const OK = "HTTP/1.1 200 OK\r\n\r\n";

describe("a head that comes again", () => {
  it("answers as the one did that was kept", async (t) => {
    const app = await TestApp.start(t);
    const [vm] = app.vms as [ScriptedVm];
    for (const [text, flags, body] of [
      [OK, HEAD_ENDS, "first"],
      ["HTTP/1.1 201 Made\r\nx-kept: yes\r\n\r\n", HEAD_ENDS | HEAD_KEPT, "second"],
      ["", HEAD_ENDS | HEAD_AGAIN, "the third"],
      [OK, HEAD_ENDS, ""],
      ["", HEAD_ENDS | HEAD_AGAIN, ""],
    ] as const) {
      const client = app.ask();
      const { stream } = await vm.next(head);
      vm.writer.head(stream, text, body, flags);
      await client.untilEnd();
      const { status, bodyLength, headers } = client.head!;
      const kept = text !== OK;
      assert.deepEqual([status, bodyLength], [kept ? 201 : 200, body.length]);
      assert.equal(headers.find("x-kept"), kept ? "yes" : null);
    }
  });

  it("is known also where nobody waited any more for the first one", async (t) => {
    const app = await TestApp.start(t);
    const [vm] = app.vms as [ScriptedVm];
    app.ask().goAway(new GatewayError("client_gone", "the connection to the client was lost"));
    const { stream } = await vm.next(head);
    const client = app.ask();
    vm.writer.head(stream, "HTTP/1.1 201 Made\r\n\r\n", "late", HEAD_ENDS | HEAD_KEPT);
    vm.writer.head(stream + 2, "", "again", HEAD_ENDS | HEAD_AGAIN);
    await client.untilEnd();
    assert.deepEqual([client.status, app.faults], [201, []]);
  });

  it("is as wrong as it was", async (t) => {
    const app = await TestApp.start(t);
    const [vm] = app.vms as [ScriptedVm];
    const wrong = "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n";
    for (const [text, flag] of [
      [wrong, HEAD_KEPT],
      ["", HEAD_AGAIN],
      ["", HEAD_AGAIN],
    ] as const) {
      const client = app.ask();
      const { stream } = await vm.next(head);
      vm.writer.head(stream, text, "ok", HEAD_ENDS | flag);
      await client.untilEnd();
      assert.equal(client.error, "app_response_invalid");
    }
    assert.deepEqual(app.faults, []);
  });
});
