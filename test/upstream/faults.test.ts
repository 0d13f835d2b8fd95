// Backends that fail in every way there is: each gives its named reason in the log, an honest answer, and no hang.
// Real gateway process, raw sockets on both sides.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { TestGateway } from "../support/gateway.ts";
import { RawBackend, RawConnection } from "../support/raw.ts";

interface Fault {
  /** What the backend does. */
  readonly what: string;
  /** Sent when the request is there. */
  readonly sends?: string | Buffer;
  /** Done after that, in the body only when the client has seen what was sent. Without it the backend waits. */
  readonly next?: "end" | "reset" | { readonly sends: string };
  readonly code: string;
}

const HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`;
const LENGTH_10 = `${HEAD}Content-Length: 10\r\n\r\nhalf`;

/** The client gets 502 or 504 and its connection stays good. */
const BEFORE_THE_ANSWER: readonly Fault[] = [
  { what: "closes at once", next: "end", code: "upstream_closed" },
  { what: "resets at once", next: "reset", code: "upstream_closed" },
  { what: "closes in the status line", sends: "HTTP/1.1 2", next: "end", code: "response_truncated" },
  { what: "closes in a field", sends: `${HEAD}X-Half: x`, next: "end", code: "response_truncated" },
  { what: "closes before the empty line", sends: HEAD, next: "end", code: "response_truncated" },
  {
    what: "closes after an interim response",
    sends: "HTTP/1.1 103 Early Hints\r\n\r\n",
    next: "end",
    code: "response_truncated",
  },
  { what: "never answers", code: "response_timeout" },
  { what: "stalls in the head", sends: `${HEAD}X-Half: x`, code: "response_timeout" },
  { what: "speaks another protocol", sends: "SSH-2.0-OpenSSH_9.2p1\r\n", code: "response_malformed" },
  { what: "speaks HTTP/2", sends: Buffer.from([0, 0, 18, 4, 0, 0, 0, 0, 0]), code: "response_malformed" },
  { what: "answers with HTTP/0.9", sends: "<html>hi</html>", next: "end", code: "response_malformed" },
  {
    what: "gives a length and chunks",
    sends: `${HEAD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    code: "response_malformed",
  },
  {
    what: "uses a transfer coding that nobody asked for",
    sends: `${HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n`,
    code: "response_malformed",
  },
  { what: "begins with a bad chunk", sends: `${CHUNKED}zz\r\n`, code: "response_malformed" },
  {
    what: "switches protocols unasked",
    sends: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n",
    code: "response_malformed",
  },
  {
    what: "never comes to an end with interim responses",
    sends: "HTTP/1.1 102 Processing\r\n\r\n".repeat(40),
    code: "response_malformed",
  },
  {
    what: "has an endless status line",
    sends: `HTTP/1.1 200 ${"x".repeat(9000)}`,
    code: "response_malformed",
  },
  { what: "has endless fields", sends: `${HEAD}X-Long: ${"x".repeat(70_000)}`, code: "response_malformed" },
];

/** Each sends "half" of a body, and next: */
const IN_THE_BODY: readonly Fault[] = [
  { what: "closes short of its length", sends: LENGTH_10, next: "end", code: "response_truncated" },
  { what: "resets short of its length", sends: LENGTH_10, next: "reset", code: "response_truncated" },
  { what: "stalls short of its length", sends: LENGTH_10, code: "response_stalled" },
  {
    what: "closes between two chunks",
    sends: `${CHUNKED}4\r\nhalf\r\n`,
    next: "end",
    code: "response_truncated",
  },
  { what: "closes in a chunk", sends: `${CHUNKED}8\r\nhalf`, next: "end", code: "response_truncated" },
  { what: "resets in a chunk", sends: `${CHUNKED}8\r\nhalf`, next: "reset", code: "response_truncated" },
  { what: "stalls in a chunk", sends: `${CHUNKED}8\r\nhalf`, code: "response_stalled" },
  {
    what: "closes before the empty line at the end",
    sends: `${CHUNKED}4\r\nhalf\r\n0\r\n`,
    next: "end",
    code: "response_truncated",
  },
  {
    what: "sends a chunk without a size",
    sends: `${CHUNKED}4\r\nhalf\r\n`,
    next: { sends: "half\r\n" },
    code: "response_malformed",
  },
  {
    what: "sends a chunk longer than its size",
    sends: `${CHUNKED}4\r\nhalf`,
    next: { sends: "half\r\n0\r\n\r\n" },
    code: "response_malformed",
  },
  {
    what: "sends a trailer that is none",
    sends: `${CHUNKED}4\r\nhalf\r\n0\r\n`,
    next: { sends: "no trailer\r\n\r\n" },
    code: "response_malformed",
  },
  {
    what: "resets a body that a close would have ended",
    sends: `${HEAD}\r\nhalf`,
    next: "reset",
    code: "response_truncated",
  },
  { what: "stalls in a body that a close would end", sends: `${HEAD}\r\nhalf`, code: "response_stalled" },
];

/** A gateway before a backend that goes wrong. */
class Scene {
  readonly gateway: TestGateway;
  readonly #backend: RawBackend;
  #act: (connection: RawConnection) => unknown = () => {};

  static async start(): Promise<Scene> {
    const backend = await RawBackend.start(async (connection) => {
      await connection.until("\r\n\r\n");
      scene.#act(connection);
    });
    const gateway = await TestGateway.start(`timeouts: { response: 300ms, idle: 300ms }
backends: { origin: [{ id: one, host: 127.0.0.1, port: ${backend.port} }] }
routing: { all: { upstream: origin }, good: { path: /good, respond: { body: fine } } }
`);
    const scene = new Scene(gateway, backend);
    return scene;
  }

  private constructor(gateway: TestGateway, backend: RawBackend) {
    this.gateway = gateway;
    this.#backend = backend;
  }

  async stop(): Promise<void> {
    await this.gateway.stop("SIGKILL");
    await this.#backend.stop();
  }

  /** Asks for a path that no other fault has. The backend does what follows its first bytes when the client saw `seen`. */
  async request(fault: Fault, protocol: string, seen: string): Promise<RawConnection> {
    const client = await RawConnection.connect(this.gateway.port);
    this.#act = async (connection) => {
      if (fault.sends !== undefined) connection.write(fault.sends);
      await client.until(seen);
      if (fault.next === "end") connection.socket.end();
      else if (fault.next === "reset") connection.socket.resetAndDestroy();
      else if (fault.next !== undefined) connection.write(fault.next.sends);
    };
    client.write(`GET ${pathOf(fault)} ${protocol}\r\nHost: test\r\n\r\n`);
    return client;
  }

  async assertLogged(fault: Fault, status: number): Promise<void> {
    const line = await this.gateway.logged((entry) => entry["path"] === pathOf(fault));
    const { level, code, status: logged, upstream, backend } = line;
    const expected = { level: "warn", code: fault.code, logged: status, upstream: "origin", backend: "one" };
    assert.deepEqual({ level, code, logged, upstream, backend }, expected);
  }
}

function pathOf(fault: Fault): string {
  return `/${fault.what.replaceAll(/[^a-z]+/gi, "-")}`;
}

// A gateway for each group: of one kind of failure the log has at most ten lines in ten seconds.
describe("a backend that", () => {
  let scene: Scene;
  before(async () => {
    scene = await Scene.start();
  });
  after(() => scene.stop());

  for (const fault of BEFORE_THE_ANSWER) {
    it(`${fault.what} gives ${fault.code}`, async () => {
      const client = await scene.request(fault, "HTTP/1.1", "");
      const status = fault.code === "response_timeout" ? 504 : 502;
      const answer = await client.until("}}\n");
      assert.match(answer, new RegExp(`(^|\r\n\r\n)HTTP/1\\.1 ${status} `));
      assert.ok(answer.includes(`"code":"${fault.code}"`), answer);
      await scene.assertLogged(fault, status);
      // It was not the client's fault: its connection is still good.
      client.take();
      client.write("GET /good HTTP/1.1\r\nHost: test\r\n\r\n");
      await client.until("fine");
      client.destroy();
    });
  }
});

// To a client of HTTP/1.0 a close is the end of a body: only a reset tells it that something is missing.
for (const protocol of ["HTTP/1.1", "HTTP/1.0"]) {
  describe(`to a client of ${protocol}, a backend that`, () => {
    let scene: Scene;
    before(async () => {
      scene = await Scene.start();
    });
    after(() => scene.stop());

    for (const fault of IN_THE_BODY) {
      it(`${fault.what} gives a reset and ${fault.code}`, async () => {
        const client = await scene.request(fault, protocol, "half");
        assert.equal(await client.untilGone(), "reset");
        assert.match(client.text, /^HTTP\/1\.1 200 OK\r\n/);
        assert.doesNotMatch(client.text, /\r\n0\r\n/, "the end of a chunked body");
        await scene.assertLogged(fault, 200);
      });
    }
  });
}
