// The policy `body_limit`, and where on its way a request that is too long is refused.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { ask } from "../http/client.ts";
import { Pair } from "../http/pair.ts";
import { valuesOf } from "../http/strict-reading.ts";

const ROUTES = `
  small: { path: /small, upstream: origin, policies: {
    body_limit: { size: 10 }, headers: { response: { set: { X-Policy: passed } } } } },
  free: { path: /free, upstream: origin, policies: { body_limit: { enabled: false, size: 10 } } },`;

describe("the policy body_limit", () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.start({ routes: ROUTES, sections: "policies: { body_limit: { size: 20 } }\n" });
  });
  beforeEach(() => pair.origin.reset());
  after(() => pair.stop());

  const CASES = [
    ["/small", 10, 200],
    ["/small", 11, 413],
    ["/other", 20, 200],
    ["/other", 21, 413],
    ["/free", 21, 200],
  ] as const;
  for (const framing of ["declared", "chunked"] as const) {
    for (const [path, length, expected] of CASES) {
      it(`answers ${expected} to ${length} bytes for ${path}, ${framing}`, async () => {
        const body = "x".repeat(length);
        const [fields, sent] =
          framing === "declared"
            ? [`Content-Length: ${length}`, body]
            : ["Transfer-Encoding: chunked", `${length.toString(16)}\r\n${body}\r\n0\r\n\r\n`];
        const text = `POST ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n${sent}`;
        const { answer } = await ask(pair.port, text);
        assert.equal(answer.status, expected);
        if (expected === 200) assert.equal(pair.origin.only.body, body);
        else assert.match(answer.body, /"code":"body_too_large"/);
      });
    }
  }

  it("refuses behind the other policies, so that they see the answer", async () => {
    const text = "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n";
    const { answer } = await ask(pair.port, text);
    assert.equal(answer.status, 413);
    assert.deepEqual(valuesOf(answer.fields, "x-policy"), ["passed"]);
  });

  it("refuses a client that asks before it sends, without asking it to go on", async () => {
    const text = "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n";
    const { answer, after } = await ask(pair.port, text);
    assert.equal(answer.status, 413);
    assert.equal(after, "");
  });
});
