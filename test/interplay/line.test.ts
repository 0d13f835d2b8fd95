// The line of those who wait for room, where the first one wants something else than the others: a repeated request, an
// exchange of the snapshot before. Nobody stands idle for it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { Client } from "../http/client.ts";
import { TestGateway } from "../support/gateway.ts";

const WAIT = "queue: { timeout: 30s }";
const NO_LIMITS = "retry_budget: { least: 1000 }, ejection: { enabled: false }";

/** Holds every request until it is answered. */
class HoldingBackend {
  readonly held: ServerResponse[] = [];
  readonly paths: string[] = [];
  port = 0;
  readonly #watchers = new Set<() => void>();

  static async start(t: TestContext): Promise<HoldingBackend> {
    const backend = new HoldingBackend();
    const server = createServer((request, response) => {
      backend.held.push(response);
      backend.paths.push(request.url!);
      for (const look of backend.#watchers) look();
    });
    server.keepAliveTimeout = 0;
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    backend.port = (server.address() as AddressInfo).port;
    return backend;
  }

  /** Resolves when so many requests came. */
  async has(count: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = () => {
        if (this.held.length >= count) resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }
}

function configOf(backends: ReadonlyArray<readonly [id: string, port: number]>, more = ""): string {
  const entries = backends.map(([id, port]) => `{ id: ${id}, host: 127.0.0.1, port: ${port}, max_conn: 1 }`);
  return `backends: { app: [${entries.join(", ")}] }
upstreams: { app: { ${WAIT}, ${NO_LIMITS} } }
routing: { all: { upstream: app, load_balancer: round_robin, ${more} } }
admin: { port: 0 }
`;
}

async function start(t: TestContext, config: string, workers = 1): Promise<TestGateway> {
  const gateway = await TestGateway.start(config, { server: `workers: ${workers}` });
  t.after(() => gateway.stop("SIGKILL"));
  return gateway;
}

async function ask(t: TestContext, gateway: TestGateway, path: string): Promise<Client> {
  const client = await Client.connect(gateway.port);
  t.after(() => client.close());
  client.send(`GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`);
  return client;
}

/** Resolves when so many exchanges wait. */
async function waiting(gateway: TestGateway, count: number): Promise<void> {
  const { msg } = await gateway.logged((line) => line.msg.startsWith("admin API on "));
  const url = `${msg.slice("admin API on ".length)}/api/v1/backends`;
  for (let found = -1; found !== count; ) {
    const { upstreams } = (await (await fetch(url)).json()) as { upstreams: Array<{ waiting: number }> };
    found = upstreams[0]!.waiting;
  }
}

describe("the line", { timeout: 120_000 }, () => {
  for (const workers of [1, 2]) {
    it(`lets others pass where the first one waits for another backend, with ${workers} data threads`, async (t) => {
      const [a, b] = [await HoldingBackend.start(t), await HoldingBackend.start(t)];
      const retry = "retry: { on: [closed], attempts: 2 }";
      const gateway = await start(
        t,
        configOf(
          [
            ["a", a.port],
            ["b", b.port],
          ],
          retry,
        ),
        workers,
      );
      // One on each; the one on `b` stays there.
      const both = [await ask(t, gateway, "/1"), await ask(t, gateway, "/2")];
      await Promise.all([a.has(1), b.has(1)]);
      const repeated = both[a.paths[0] === "/1" ? 0 : 1]!;
      const later = await ask(t, gateway, "/later");
      await waiting(gateway, 1);
      // Its request is repeated, but not here, where there is room now.
      a.held[0]!.socket!.destroy();
      await a.has(2);
      a.held[1]!.end("ok");
      assert.equal((await later.answer()).body, "ok");
      const latest = await ask(t, gateway, "/latest");
      await a.has(3);
      a.held[2]!.end("ok");
      assert.equal((await latest.answer()).body, "ok");
      assert.deepEqual(a.paths.slice(1), ["/later", "/latest"]);
      b.held[0]!.end("ok");
      await b.has(2);
      b.held[1]!.end("ok");
      assert.equal((await repeated.answer()).body, "ok");
    });

    it(`of backends that a reload replaced holds up nobody, with ${workers} data threads`, async (t) => {
      const [old, next] = [await HoldingBackend.start(t), await HoldingBackend.start(t)];
      const gateway = await start(t, configOf([["old", old.port]]), workers);
      const served = await ask(t, gateway, "/served");
      await old.has(1);
      const waiter = await ask(t, gateway, "/waiter");
      await waiting(gateway, 1);
      await gateway.adopt(configOf([["next", next.port]]));
      const after = await ask(t, gateway, "/after");
      await next.has(1);
      next.held[0]!.end("ok");
      assert.equal((await after.answer()).body, "ok");
      old.held[0]!.end("ok");
      assert.equal((await served.answer()).body, "ok");
      await old.has(2);
      old.held[1]!.end("ok");
      assert.equal((await waiter.answer()).body, "ok");
    });
  }
});
