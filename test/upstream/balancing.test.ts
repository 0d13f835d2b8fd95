// Which backend gets which request, seen from the backends. Real gateway process.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { answering, RawBackend, RawConnection } from "../support/raw.ts";

describe("requests to several backends", () => {
  let gateway: TestGateway;
  const backends: RawBackend[] = [];

  before(async () => {
    for (const name of "abc") {
      const response = `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${name};`;
      backends.push(await RawBackend.start(answering(response)));
    }
    gateway = await TestGateway.start("routing: {}");
  });
  after(async () => {
    await gateway.stop("SIGKILL");
    for (const backend of backends) await backend.stop();
  });

  const TABLE: ReadonlyArray<{
    readonly balancer: string;
    readonly more?: readonly string[];
    readonly order: string;
  }> = [
    { balancer: "round_robin", order: "abcabcabc" },
    { balancer: "round_robin", more: ["weight: 5"], order: "abcabcabc" },
    { balancer: "round_robin", more: ["", "active: false"], order: "acacacac" },
    { balancer: "weight", order: "abcabcabc" },
    { balancer: "weight", more: ["weight: 5", "weight: 1", "weight: 1"], order: "aabacaaaabacaa" },
    { balancer: "weight", more: ["weight: 2", "weight: 9, active: false", "weight: 1"], order: "acaacaaca" },
  ];
  for (const { balancer, more = [], order } of TABLE) {
    it(`go to ${order} with ${balancer} and ${more.join("; ") || "defaults"}`, async (t) => {
      const members = backends.map(({ port }, i) => `{ host: 127.0.0.1, port: ${port}, ${more[i] ?? ""} }`);
      await gateway.adopt(`backends: { origin: [${members.join(", ")}] }
routing: { all: { upstream: origin, load_balancer: ${balancer} } }
`);
      const client = await RawConnection.connect(gateway.port);
      t.after(() => client.destroy());
      let went = "";
      while (went.length < order.length) {
        client.take();
        client.write("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
        went += (await client.until(";")).at(-2);
      }
      assert.equal(went, order);
    });
  }
});
