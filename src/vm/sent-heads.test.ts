import assert from "node:assert/strict";
import { it } from "node:test";
import type { FrameWriter } from "../wire/frame-writer.ts";
import { HEAD_AGAIN, HEAD_ENDS, HEAD_KEPT } from "../wire/frames.ts";
import { SentHeads } from "./sent-heads.ts";

const JSON_LINES = "content-type: application/json\r\n";
const [FIRST, KEPT, AGAIN] = [HEAD_ENDS, HEAD_ENDS | HEAD_KEPT, HEAD_ENDS | HEAD_AGAIN];

it("a head that comes a second time is kept, and from then on named", () => {
  const heads = new SentHeads();
  const sent: Array<[head: string, flags: number]> = [];
  const head = (_stream: number, head: string, _body: unknown, flags: number) => sent.push([head, flags]);
  const writer = { head } as unknown as FrameWriter;
  const send = (status: number, statusText: string, headerLines: string, expected: number) => {
    heads.send(writer, 1, { status, statusText, headerLines }, null);
    const text = `HTTP/1.1 ${status} ${statusText}\r\n${headerLines}\r\n`;
    assert.deepEqual(sent.at(-1), [expected === AGAIN ? "" : text, expected]);
  };
  send(200, "", JSON_LINES, FIRST);
  send(200, "", JSON_LINES, KEPT);
  send(200, "", JSON_LINES, AGAIN);
  send(200, "", JSON_LINES, AGAIN);
  send(201, "", JSON_LINES, FIRST);
  send(201, "Made", JSON_LINES, FIRST);
  send(201, "Made", "", FIRST);
  send(201, "Made", "", KEPT);
  send(200, "", JSON_LINES, FIRST);
  send(201, "Made", "", FIRST);
  send(201, "Made", "", KEPT);
  send(201, "Made", "", AGAIN);
});
