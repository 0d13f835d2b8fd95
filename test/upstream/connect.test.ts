// Getting to a backend at all: refused, unreachable, by unix socket, switched off. Real gateway process.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Blackhole } from "../support/blackhole.ts";
import { TestGateway } from "../support/gateway.ts";
import { RawConnection } from "../support/raw.ts";

const CONNECT_TIMEOUT_MS = 400;

describe("connecting to a backend", () => {
  let gateway: TestGateway;
  let blackhole: Blackhole;

  before(async () => {
    blackhole = await Blackhole.start();
    // The unix socket is one of the test's own, in the folder of the gateway: its name is relative to it.
    gateway = await TestGateway.start(`timeouts: { connect: ${CONNECT_TIMEOUT_MS}ms }
backends:
  refused: [{ host: 127.0.0.1, port: 1 }]
  gone: [{ socket: gone.sock }]
  silent: [{ host: 127.0.0.1, port: ${blackhole.port} }]
  off: [{ host: 127.0.0.1, port: 1, active: false }]
  local: [{ socket: backend.sock }]
routing:
  refused: { path: /refused, upstream: refused }
  gone: { path: /gone, upstream: gone }
  silent: { path: /silent, upstream: silent }
  off: { path: /off, upstream: off }
  local: { path: /local, upstream: local }
`);
  });

  after(async () => {
    await gateway.stop("SIGKILL");
    await blackhole.stop();
  });

  const FAILURES = [
    { path: "/refused", status: 502, code: "connect_failed", says: /ECONNREFUSED/ },
    { path: "/gone", status: 502, code: "connect_failed", says: /ENOENT/ },
    { path: "/silent", status: 504, code: "connect_timeout", says: /in time/ },
    { path: "/off", status: 503, code: "backend_unavailable", says: /"off" has no active backend/ },
  ];
  for (const { path, status, code, says } of FAILURES) {
    it(`answers ${status} and logs ${code} for ${path}`, async () => {
      const client = await RawConnection.connect(gateway.port);
      const startedAt = performance.now();
      client.write(`GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`);
      const answer = await client.until("}}\n");
      const tookMs = performance.now() - startedAt;
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
      const line = await gateway.logged((entry) => entry["path"] === path);
      assert.equal(line["code"], code);
      assert.match(line.msg, says);
      if (code === "connect_timeout") assert.ok(tookMs >= CONNECT_TIMEOUT_MS, `${tookMs} ms`);
      assert.ok(tookMs < 10 * CONNECT_TIMEOUT_MS, `${tookMs} ms`);
      client.destroy();
    });
  }

  it("does not tell the client where the backend is", async () => {
    const client = await RawConnection.connect(gateway.port);
    client.write("GET /refused HTTP/1.1\r\nHost: test\r\n\r\n");
    assert.doesNotMatch(await client.until("}}\n"), /127\.0\.0\.1|ECONN/);
    client.destroy();
  });

  it("carries requests over a unix socket", async () => {
    const server = createServer((request, response) => response.end(`${request.method} ${request.url}`));
    server.listen(join(gateway.folder, "backend.sock"));
    await once(server, "listening");
    for (let i = 0; i < 2; i++) {
      const answer = await fetch(`http://127.0.0.1:${gateway.port}/local/${i}`, { method: "DELETE" });
      assert.equal(await answer.text(), `DELETE /local/${i}`);
    }
    server.close();
    server.closeAllConnections();
  });
});
