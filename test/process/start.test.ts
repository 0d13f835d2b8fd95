// How the gateway starts, and how it says that it cannot. Real gateway processes.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { ask, Client } from "../http/client.ts";
import { type GatewayOptions, proxyTo, TestGateway } from "../support/gateway.ts";
import { answering, RawBackend, RawConnection } from "../support/raw.ts";
import { listeningSockets } from "./sockets.ts";

const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;
const MANIFEST = new URL("../../package.json", import.meta.url);
const GET = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
const HELLO = 'routing: { all: { respond: { body: "hello" } } }\n';

/** The exit code and the lines of a gateway that cannot start; `%` stands for its folder. */
async function refusal(config: string, options: GatewayOptions = {}): Promise<[number | null, string[]]> {
  const gateway = new TestGateway(config, options);
  const code = await gateway.exited;
  await gateway.stop();
  return [code, gateway.log.map(({ msg }) => msg.replace(gateway.folder, "%"))];
}

async function start(t: TestContext, config: string, server: string): Promise<TestGateway> {
  const gateway = await TestGateway.start(config, { server });
  t.after(() => gateway.stop("SIGKILL"));
  return gateway;
}

describe("a gateway", { timeout: 120_000 }, () => {
  it("listens on each of its addresses", async (t) => {
    const listeners = "listeners: [{ host: 127.0.0.1, port: 0 }, { host: 127.0.0.2, port: 0 }]";
    const gateway = await start(t, HELLO, listeners);
    const { msg } = await gateway.logged((line) => line.msg.startsWith("listening on "));
    const [, first, second] = /^listening on http:\/\/(127\.0\.0\.1):\d+, http:\/\/127\.0\.0\.2:(\d+)$/.exec(
      msg,
    )!;
    for (const [host, port] of [
      [first!, gateway.port],
      ["127.0.0.2", Number(second)],
    ] as const) {
      const client = new Client(await RawConnection.connect(port, host));
      client.send(GET);
      assert.equal((await client.answer()).body, "hello");
      client.close();
    }
  });

  it("spreads connections over its data threads", async (t) => {
    const backend = await RawBackend.start(answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    t.after(() => backend.stop());
    const gateway = await start(
      t,
      proxyTo(backend.port, "timeouts: { backend_keep_alive: 1h }"),
      "workers: 2",
    );
    assert.equal(listeningSockets(gateway.port), 2);
    // One after the other, so that each data thread needs one connection to the backend.
    for (let i = 0; i < 64; i++) await ask(gateway.port, GET);
    assert.equal(backend.connections.length, 2);
    for (const { text } of backend.connections) assert.ok(text.split("GET").length > 8, text);
  });

  it("does not start on an address that another process holds, in any of its places", async (t) => {
    const holder = createServer().listen(0, "127.0.0.1");
    await once(holder, "listening");
    t.after(() => holder.close());
    const { port } = holder.address() as AddressInfo;
    const taken = `Cannot listen on 127.0.0.1:${port}: another process holds it. Stop it, or use another port (server.port, or --port of "sluice serve")`;
    for (const server of [
      `host: 127.0.0.1, port: ${port}`,
      `listeners: [{ host: 127.0.0.1, port: 0 }, { host: 127.0.0.1, port: ${port} }]`,
    ]) {
      assert.deepEqual(await refusal(HELLO, { server: `${server}, workers: 2` }), [1, [taken]]);
    }
  });

  it("does not share the port of another gateway", async (t) => {
    const { port } = await start(t, HELLO, "workers: 2");
    const [code, [message]] = await refusal(HELLO, { server: `host: 127.0.0.1, port: ${port}, workers: 2` });
    assert.equal(code, 1);
    assert.match(message!, new RegExp(`^Cannot listen on 127\\.0\\.0\\.1:${port}: another process holds it`));
  });

  it("does not start on an address that this machine does not have", async () => {
    const [code, [message]] = await refusal(HELLO, { server: "host: 192.0.2.1, port: 0" });
    assert.deepEqual([code, message], [1, "Cannot listen on 192.0.2.1:0: this machine has no such address"]);
  });

  it("does not start with a bad configuration, and says all that is wrong with it", async () => {
    const text =
      "routing:\n  all: { upstrem: web }\n  other: { path: 7, respond: {} }\ntimeouts: { idle: soon }\n";
    const [code, lines] = await refusal(text);
    assert.equal(code, 1);
    for (const place of ["3:10", "4:18", "5:19"]) {
      assert.ok(
        lines.some((line) => line.startsWith(`%/sluice.yaml:${place}: `)),
        `nothing at ${place}: ${lines.join("\n")}`,
      );
    }
  });

  it("does not start when it cannot write its access log", async () => {
    const [code, [message]] = await refusal(`${HELLO}access_log: { path: none/access.log }\n`);
    assert.equal(code, 1);
    assert.match(message!, /ENOENT.*none\/access\.log/);
  });
});

describe("the command line", { timeout: 120_000 }, () => {
  const version = (JSON.parse(readFileSync(MANIFEST, "utf8")) as { version: string }).version;
  const CASES: ReadonlyArray<readonly [args: string[], code: number, stdout: RegExp, stderr: RegExp]> = [
    [["--version"], 0, new RegExp(`^${RegExp.escape(version)}\n$`), /^$/],
    [["--help"], 0, /^Usage: sluice <command>/, /^$/],
    [["run", "-h"], 0, /^Usage: sluice <command>/, /^$/],
    [[], 2, /^$/, /^sluice: no command\n\nUsage: /],
    [["rnu"], 2, /^$/, /^sluice: there is no command "rnu"\n\nUsage: /],
    [["toString"], 2, /^$/, /^sluice: there is no command "toString"\n/],
    [["run", "more"], 2, /^$/, /^sluice: "more" is one argument too many\n\nUsage: /],
    [["run", "--prot", "1"], 2, /^$/, /^sluice: Unknown option '--prot'.*\nUsage: /s],
    [["run", "-c"], 2, /^$/, /^sluice: .*--config.*\nUsage: /s],
    [["run", "-c", "none.yaml"], 1, /^$/, /^none\.yaml: cannot read the file: there is none of this name\n$/],
    [["check", "-c", "none.yaml"], 1, /^$/, /^none\.yaml: cannot read the file/],
  ];
  for (const [args, code, stdout, stderr] of CASES) {
    it(`sluice ${args.join(" ")} exits with ${code}`, async () => {
      const printed = await sluice(args);
      assert.match(printed.stdout, stdout);
      assert.match(printed.stderr, stderr);
      assert.equal(printed.code, code);
    });
  }
});

function sluice(args: readonly string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, stdout, stderr });
    });
  });
}
