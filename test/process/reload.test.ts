// What a reload may change, what it must leave alone, and that a bad one changes nothing. Real gateway process.

import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { after, before, describe, it, type TestContext } from "node:test";
import { proxyTo, TestGateway } from "../support/gateway.ts";
import { RawBackend, RawConnection } from "../support/raw.ts";

const GET = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";

/** Everything is answered with this text. */
function says(text: string): string {
  return `routing: { all: { respond: { body: "${text};" } } }\n`;
}

describe("a reload", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await TestGateway.start(says("start"));
  });
  after(() => gateway.stop("SIGKILL"));

  async function connect(t: TestContext, port = gateway.port): Promise<RawConnection> {
    const client = await RawConnection.connect(port);
    t.after(() => client.destroy());
    return client;
  }

  /** The text of the answer on that connection. */
  async function ask(client: RawConnection): Promise<string> {
    client.take();
    client.write(GET);
    return /\r\n\r\n(.*);$/.exec(await client.until(/;$/))![1]!;
  }

  /** Problems said since then. */
  function errorsSince(index: number): string[] {
    return gateway.log.slice(index).flatMap(({ level, msg }) => (level === "error" ? [msg] : []));
  }

  it("is served on connections that are open already", async (t) => {
    const client = await connect(t);
    await gateway.adopt(says("one"));
    assert.equal(await ask(client), "one");
    await gateway.adopt(says("two"));
    assert.equal(await ask(client), "two");
  });

  it("leaves a request to the route that it began with", async (t) => {
    const backend = await RawBackend.start(() => {});
    t.after(() => backend.stop());
    await gateway.adopt(proxyTo(backend.port, "timeouts: { backend_keep_alive: 60s }"));
    const client = await connect(t);
    client.write(GET);
    const origin = await backend.connection(0);
    await origin.until("\r\n\r\n");
    await gateway.adopt(says("new"));
    origin.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nold;");
    await client.until("old;");
    // The connection to a backend that is no more goes when it is free.
    await origin.untilEnd();
    assert.equal(await ask(client), "new");
  });

  const BAD: ReadonlyArray<readonly [what: string, text: string, expected: RegExp[]]> = [
    ["broken YAML", "routing: {\n", [/sluice\.yaml:\d+:\d+: /]],
    [
      "several mistakes",
      "server: { port: 0, host: 127.0.0.1 }\nrouting:\n  all: { upstrem: x }\ntimeouts:\n  connect: soon\n",
      [/sluice\.yaml:3:\d+: .*upstrem/, /sluice\.yaml:5:\d+: .*"soon"/],
    ],
  ];
  for (const [what, text, expected] of BAD) {
    it(`of ${what} changes nothing and says where it is wrong`, async (t) => {
      await gateway.adopt(says("good"));
      const client = await connect(t);
      const before = gateway.log.length;
      writeFileSync(gateway.configFile, text);
      const { level, msg } = await gateway.reload();
      assert.deepEqual([level, msg], ["error", "configuration not reloaded: the one before goes on"]);
      const errors = errorsSince(before);
      for (const problem of expected) assert.match(errors.join("\n"), problem);
      assert.equal(errors.length, expected.length + 1, errors.join("\n"));
      assert.equal(await ask(client), "good");
      assert.equal(await ask(await connect(t)), "good");
      await gateway.adopt(says("better"));
      assert.equal(await ask(client), "better");
    });
  }

  it("adds and removes listeners, and keeps connections on those that go", async (t) => {
    const [kept, other] = [await freePort(), await freePort()];
    const listeners = (...ports: number[]) => {
      const list = ports.map((port) => `{ host: 127.0.0.1, port: ${port} }`);
      return { server: `listeners: [${list.join(", ")}]` };
    };
    await gateway.adopt(says("one"), listeners(kept));
    const before = await connect(t, kept);
    await assert.rejects(RawConnection.connect(other), { code: "ECONNREFUSED" });

    await gateway.adopt(says("two"), listeners(kept, other));
    const onOther = await connect(t, other);
    assert.deepEqual([await ask(before), await ask(onOther)], ["two", "two"]);

    await gateway.adopt(says("three"), listeners(kept));
    await assert.rejects(RawConnection.connect(other), { code: "ECONNREFUSED" });
    assert.deepEqual([await ask(before), await ask(onOther)], ["three", "three"]);
    assert.equal(await ask(await connect(t, kept)), "three");
    await gateway.adopt(says("start"), { server: `port: ${gateway.port}, host: 127.0.0.1` });
  });

  it("with an address that another process holds opens none of its listeners", async (t) => {
    await gateway.adopt(says("before"), { server: `port: ${gateway.port}, host: 127.0.0.1` });
    const holder = createServer().listen(0, "127.0.0.1");
    await once(holder, "listening");
    t.after(() => holder.close());
    const [free, taken] = [await freePort(), (holder.address() as AddressInfo).port];
    const list = [gateway.port, free, taken].map((port) => `{ host: 127.0.0.1, port: ${port} }`);
    const since = gateway.log.length;
    gateway.configure(says("after"), { server: `listeners: [${list.join(", ")}]` });
    assert.equal((await gateway.reload()).level, "error");
    assert.match(errorsSince(since)[0]!, new RegExp(`127\\.0\\.0\\.1:${taken}: another process holds it`));
    await assert.rejects(RawConnection.connect(free), { code: "ECONNREFUSED" });
    assert.equal(await ask(await connect(t)), "before");
  });

  it("can move a listener to every address of its port", async (t) => {
    const port = await freePort();
    await gateway.adopt(says("narrow"), { server: `host: 127.0.0.1, port: ${port}` });
    const client = await connect(t, port);
    await gateway.adopt(says("wide"), { server: `host: 0.0.0.0, port: ${port}` });
    assert.equal(await ask(client), "wide");
    assert.equal(await ask(await connect(t, port)), "wide");
    await gateway.adopt(says("narrow again"), { server: `host: 127.0.0.1, port: ${port}` });
    assert.equal(await ask(await connect(t, port)), "narrow again");
    await gateway.adopt(says("start"), { server: `port: ${gateway.port}, host: 127.0.0.1` });
  });

  it("says which settings it cannot change", async () => {
    const since = gateway.log.length;
    await gateway.adopt(says("start"), { server: `workers: 2, port: ${gateway.port}, host: 127.0.0.1` });
    const warnings = gateway.log.slice(since).filter(({ level }) => level === "warn");
    assert.match(warnings.map(({ msg }) => msg).join("\n"), /server\.workers .*restart/);
  });

  it("during another one comes after it", async (t) => {
    await gateway.adopt(says("first"));
    gateway.configure(says("last"));
    const since = gateway.log.length;
    for (let i = 0; i < 3; i++) gateway.process.kill("SIGHUP");
    const reloaded = ({ msg }: { msg: string }, at: number) =>
      at >= since && msg === "configuration reloaded";
    await gateway.logged(reloaded);
    assert.equal(await ask(await connect(t)), "last");
    assert.deepEqual(errorsSince(since), []);
  });
});

/** A port that nobody listens on just now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
