// `protocols`: WebSockets, event streams and plain requests of one route, each with a balancer of its own. Real gateway
// process with one data thread, so that turns are everybody's.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ask } from "../http/client.ts";
import { TestGateway } from "../support/gateway.ts";
import { configOf, type NamedOrigin, origins, valuesIn, whoOf } from "./named-origin.ts";

const REQUESTS = {
  http: "",
  sse: "Accept: text/event-stream\r\n",
  websocket:
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
} as const;

/** Weights 4, 1 and 1 give a a b a c a; `round_robin` does not look at them. */
function entries([a, b, c]: readonly NamedOrigin[]): string[] {
  return [a!.entry("weight: 4"), b!.entry("weight: 1"), c!.entry("weight: 1")];
}

describe("the balancer of an exchange", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await TestGateway.start("routing: {}");
  });
  after(() => gateway.stop("SIGKILL"));

  async function who(fields: string): Promise<string> {
    const { answer } = await ask(gateway.port, `GET / HTTP/1.1\r\nHost: test\r\n${fields}\r\n`);
    return answer.status === 101 ? valuesIn(answer, "x-backend").join() : whoOf(answer);
  }

  /** Who answered each protocol, when they come one after the other, six of each. */
  async function seen(): Promise<{ http: string; sse: string; websocket: string }> {
    const found = { http: "", sse: "", websocket: "" };
    for (let i = 0; i < 6; i++)
      for (const protocol of ["http", "sse", "websocket"] as const)
        found[protocol] += await who(REQUESTS[protocol]);
    return found;
  }

  it("is that of its protocol, and each takes its own turns", async (t) => {
    const route = "load_balancer: round_robin, protocols: { websocket: ip_hash, sse: weight }";
    await gateway.adopt(configOf(entries(await origins(t, "abc")), { route }));
    const { http, sse, websocket } = await seen();
    assert.deepEqual([http, sse], ["abcabc", "aabaca"]);
    assert.match(websocket, /^(aaaaaa|bbbbbb|cccccc)$/);
  });

  it("is load_balancer where its protocol has none", async (t) => {
    const route = "load_balancer: ip_hash, protocols: { http: round_robin }";
    await gateway.adopt(configOf(entries(await origins(t, "abc")), { route }));
    const { http, sse, websocket } = await seen();
    assert.equal(http, "abcabc");
    assert.match(sse + websocket, /^(a{12}|b{12}|c{12})$/);
  });

  it("is one for protocols that name the same: they take turns together", async (t) => {
    const route = "load_balancer: ip_hash, protocols: { http: round_robin, sse: round_robin }";
    await gateway.adopt(configOf(entries(await origins(t, "abc")), { route }));
    const { http, sse } = await seen();
    assert.deepEqual([http, sse], ["acbacb", "bacbac"]);
  });

  const TABLE: ReadonlyArray<readonly [what: string, fields: string, isOwn: "websocket" | "sse" | "http"]> = [
    ["an event stream among others", "Accept: text/html, text/event-stream;q=0.5\r\n", "sse"],
    ["any text", "Accept: text/*\r\n", "http"],
    ["anything", "Accept: */*\r\n", "http"],
    ["a WebSocket in other letters", REQUESTS.websocket.replace("websocket", "WebSocket"), "websocket"],
    ["another protocol", "Connection: Upgrade\r\nUpgrade: chat\r\n", "http"],
    ["a WebSocket without saying so in Connection", "Upgrade: websocket\r\n", "http"],
  ];
  for (const [what, fields, protocol] of TABLE) {
    it(`is that of ${protocol} for a request for ${what}`, async (t) => {
      const route = `load_balancer: ip_hash, protocols: { ${protocol}: round_robin }`;
      await gateway.adopt(configOf(entries(await origins(t, "abc")), { route }));
      let found = "";
      for (let i = 0; i < 3; i++) found += await who(fields);
      assert.equal(found, "abc");
    });
  }
});
