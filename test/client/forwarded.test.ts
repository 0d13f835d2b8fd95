// Who the client is, where proxies stand in front of the gateway and where somebody only says so: as backends and the
// access log are told. Real gateway process.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it, type TestContext } from "node:test";
import { Origin } from "../http/origin.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { TestGateway } from "../support/gateway.ts";
import { clientFrom } from "./from.ts";

const PROXY = "127.0.0.1";
const STRANGER = "127.0.0.2";
const TRUST = "trusted_proxies: [127.0.0.1, 10.0.0.0/8]";

let origin: Origin;
let gateway: TestGateway;
before(async () => {
  origin = await Origin.start();
  gateway = await TestGateway.start(config(), { server: TRUST, stdout: "pipe" });
});
beforeEach(() => origin.reset());
after(async () => {
  await gateway.stop("SIGKILL");
  await origin.stop();
});

function config(): string {
  return `backends: { origin: [{ host: 127.0.0.1, port: ${origin.port} }] }
routing: { all: { upstream: origin } }
access_log: { enabled: true }
`;
}

/** The client's address that the backend is told. */
async function clientOf(t: TestContext, from: string, lines: readonly string[]): Promise<string> {
  origin.reset();
  const client = await clientFrom(t, gateway.port, from);
  client.send(`${["GET / HTTP/1.1", "Host: a", ...lines].join("\r\n")}\r\n\r\n`);
  assert.equal((await client.answer()).status, 200);
  const [told, ...others] = origin.valuesOf("x-real-ip");
  assert.deepEqual(others, []);
  client.close();
  return told!;
}

const CLAIMS: ReadonlyArray<readonly [lines: readonly string[], client: string]> = [
  [[], PROXY],
  [["X-Forwarded-For: 192.0.2.1"], "192.0.2.1"],
  [["X-Forwarded-For: 192.0.2.9, 192.0.2.1"], "192.0.2.1"],
  [["X-Forwarded-For: 192.0.2.9, 192.0.2.1, 10.0.0.2, 10.0.0.1"], "192.0.2.1"],
  [
    ["X-Forwarded-For: 192.0.2.9", "X-Forwarded-For: 192.0.2.1, 10.0.0.2", "X-Forwarded-For: 10.0.0.1"],
    "192.0.2.1",
  ],
  [["X-Forwarded-For: 10.0.0.3, 10.0.0.2"], "10.0.0.3"],
  [["X-Forwarded-For: 127.0.0.1, 192.0.2.1"], "192.0.2.1"],
  [["X-Forwarded-For: 2001:DB8::0:1"], "2001:db8::1"],
  [["X-Forwarded-For: [2001:db8::1]:5000, 10.0.0.2:80"], "2001:db8::1"],
  [["X-Forwarded-For: 192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2"],
  [["X-Forwarded-For: 192.0.2.1, <script>"], PROXY],
  [["X-Forwarded-For:"], PROXY],
  [["Forwarded: for=192.0.2.9, for=192.0.2.1;proto=https, for=10.0.0.2"], "192.0.2.1"],
  [['Forwarded: for="[2001:db8::1]:5000"'], "2001:db8::1"],
  [["Forwarded: for=192.0.2.1, for=_hidden"], PROXY],
  [['Forwarded: for=", for=192.0.2.1'], "192.0.2.1"],
  [["Forwarded: for=192.0.2.9", "X-Forwarded-For: 192.0.2.1"], "192.0.2.1"],
  [["X-Real-IP: 192.0.2.1"], "192.0.2.1"],
  [["X-Real-IP: 192.0.2.9", "X-Forwarded-For: 192.0.2.1"], "192.0.2.1"],
  [["X-Real-IP: 192.0.2.9", "Forwarded: for=192.0.2.1"], "192.0.2.1"],
  [["X-Real-IP: 192.0.2.9", "X-Real-IP: 192.0.2.1"], PROXY],
  [["X_Forwarded_For: 192.0.2.9", "X_Real_IP: 192.0.2.9"], PROXY],
];

describe("the client", { timeout: 120_000 }, () => {
  for (const [lines, client] of CLAIMS) {
    it(`is ${client} where a trusted proxy says ${JSON.stringify(lines)}`, async (t) => {
      assert.equal(await clientOf(t, PROXY, lines), client);
    });
    it(`is who connects where a stranger says ${JSON.stringify(lines)}`, async (t) => {
      assert.equal(await clientOf(t, STRANGER, lines), STRANGER);
    });
  }

  it("is in the access log who the backend is told that it is", async (t) => {
    await clientOf(t, PROXY, ["X-Forwarded-For: 192.0.2.77"]);
    const { path, ...named } = await gateway.logged(({ client }) => client === "192.0.2.77");
    assert.deepEqual([path, named["status"]], ["/", 200]);
  });

  it("is believed of real_ip_header first where that is set, and as long as it is", async (t) => {
    const lines = ["X-Client: 192.0.2.1", "X-Forwarded-For: 192.0.2.2", "X-Real-IP: 192.0.2.3"];
    const server = `${TRUST}, real_ip_header: X-Client`;
    await gateway.adopt(config(), { server });
    const client = await clientFrom(t, gateway.port);
    client.send(`${["GET / HTTP/1.1", "Host: a", ...lines].join("\r\n")}\r\n\r\n`);
    await client.answer();
    assert.deepEqual(origin.valuesOf("x-client"), ["192.0.2.1"]);
    await gateway.adopt(config(), { server: TRUST });
    assert.equal(await clientOf(t, PROXY, lines), "192.0.2.2");
  });

  it("is the peer when nobody is trusted any more", async (t) => {
    await gateway.adopt(config());
    assert.equal(await clientOf(t, PROXY, ["X-Forwarded-For: 192.0.2.1"]), PROXY);
    await gateway.adopt(config(), { server: TRUST });
    assert.equal(await clientOf(t, PROXY, ["X-Forwarded-For: 192.0.2.1"]), "192.0.2.1");
  });
});

describe("Forwarded", { timeout: 120_000 }, () => {
  async function forwarded(t: TestContext, from: string, lines: readonly string[]): Promise<string[]> {
    await clientOf(t, from, lines);
    return valuesOf(origin.only.fields, "forwarded");
  }

  it("of a trusted proxy goes on with the proxy behind it", async (t) => {
    assert.deepEqual(
      await forwarded(t, PROXY, ["Forwarded: for=192.0.2.1;by=_x", "Forwarded: for=10.0.0.2"]),
      ["for=192.0.2.1;by=_x, for=10.0.0.2, for=127.0.0.1;proto=http"],
    );
  });

  it("of a stranger goes no further", async (t) => {
    assert.deepEqual(await forwarded(t, STRANGER, ["Forwarded: for=192.0.2.1"]), []);
  });

  it("is not begun by the gateway", async (t) => {
    assert.deepEqual(await forwarded(t, PROXY, ["X-Forwarded-For: 192.0.2.1"]), []);
  });
});
