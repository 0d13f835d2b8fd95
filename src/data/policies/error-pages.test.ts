// What becomes of a response that an error page takes the place of. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ErrorPagesSpec } from "../../config/snapshot.ts";
import { createErrorPages } from "./error-pages.ts";
import { FakeClient } from "./fake-client.test.ts";

const SPEC: ErrorPagesSpec = {
  pages: [{ type: "text/html", mediaType: "text/html", parts: ["page"] }],
  byStatus: new Array(200).fill(0),
  intercept: true,
};

describe("a response that a page takes the place of", () => {
  it("is over with the page, whatever the action still says", () => {
    const client = new FakeClient().enter(createErrorPages(SPEC));
    const layer = client.exchange.client;
    client.respond(500, {}, Buffer.from("begun"));
    assert.equal(layer.sendBody(Buffer.from("more")), true);
    layer.sendEnd(null);
    layer.cut();
    assert.equal(client.body.toString(), "page");
    assert.deepEqual([client.late, client.wasCut, client.aborts], [0, false, 0]);
  });

  it("is given up when more of it has come than a connection is worth", () => {
    const client = new FakeClient().enter(createErrorPages(SPEC));
    client.respond(500, {}, Buffer.alloc(40_000));
    client.exchange.client.sendBody(Buffer.alloc(25_536));
    assert.equal(client.aborts, 0);
    client.exchange.client.sendBody(Buffer.alloc(1));
    assert.equal(client.aborts, 1);
  });

  it("is given up at once where the request is not whole", () => {
    const client = new FakeClient({}, { bodyLength: 10 }).enter(createErrorPages(SPEC));
    client.respond(500, {}, null);
    assert.equal(client.aborts, 1);
  });

  it("is not given up when it was whole", () => {
    const client = new FakeClient({}, { bodyLength: 10 }).enter(createErrorPages(SPEC));
    client.respond(500, {}, Buffer.from("all"), { last: true });
    assert.equal(client.aborts, 0);
    assert.equal(client.body.toString(), "page");
  });
});
