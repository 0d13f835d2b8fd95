// Exchanges that the gateway makes itself, through a proxied upstream on real sockets. The data thread is the thread of the
// test, with time that stands still.

import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { RawBackend, type RawConnection } from "../../test/support/raw.ts";
import type { ProxySpec } from "../config/snapshot.ts";
import { GatewayError } from "../core/errors.ts";
import { type ClientStream, Exchange, type RequestHead, UNKNOWN_LENGTH } from "../core/exchange.ts";
import { HeaderList } from "../core/headers.ts";
import { createProxy } from "./actions/proxy-route.ts";
import { createRespond } from "./actions/respond.ts";
import type { StartAction } from "./actions/route.ts";
import { InnerClient, type InnerUser } from "./inner-client.ts";
import { type TestThread, threadsOf, upstreamSpec } from "./upstream/setting.test.ts";

const OUTER = { ends: { source: { address: "192.0.2.9", port: 5 } }, tls: null } as unknown as ClientStream;

const PROXY: ProxySpec = {
  kind: "proxy",
  targets: [{ upstream: "app", weight: 1 }],
  splitBy: { from: "client" },
  balancers: { http: "weight", https: "weight", websocket: "weight", sse: "weight" },
  hashKey: { from: "path" },
  sticky: { cookie: "", secret: null, maxAge: null, secure: false },
  retry: {
    attempts: 1,
    onClosed: false,
    onMalformed: false,
    onTimeout: false,
    statuses: [],
    perTryMs: null,
    bodyBytes: 0,
  },
  mirror: null,
  stripPrefix: null,
  rewrite: null,
  timeouts: {
    connectMs: 1000,
    responseMs: 1000,
    idleMs: 1000,
    websocketIdleMs: 1000,
    sseIdleMs: 1000,
    backendKeepAliveMs: 1000,
  },
};

/** Writes down what it hears. */
class Recorder implements InnerUser {
  readonly events: string[] = [];
  /** How many pieces it takes before it asks to wait. */
  room = Number.POSITIVE_INFINITY;
  inner: InnerClient | null = null;
  onBodyWanted?: () => void;
  readonly #watchers: Array<() => void> = [];

  onHead({ status, bodyLength }: { status: number; bodyLength: number }): void {
    this.#tell(`head ${status} ${bodyLength}`);
  }

  onBody(chunk: Buffer): boolean {
    this.#tell(`body ${chunk.length > 10 ? `of ${chunk.length}` : chunk}`);
    return --this.room > 0;
  }

  onEnd(): void {
    this.#tell("end");
  }

  onFailed({ code }: GatewayError): void {
    this.#tell(`failed ${code}`);
  }

  /** Resolves with all events when the last of them is as told. */
  async until(last: RegExp): Promise<readonly string[]> {
    while (!last.test(this.events.at(-1) ?? "")) {
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
    }
    return this.events;
  }

  #tell(event: string): void {
    this.events.push(event);
    for (const watcher of this.#watchers.splice(0)) watcher();
  }
}

interface Setting {
  readonly thread: TestThread;
  readonly proxy: StartAction;
  readonly backend: RawBackend;
}

async function settingOf(t: TestContext, serve: (connection: RawConnection) => unknown): Promise<Setting> {
  const backend = await RawBackend.start(serve);
  t.after(() => backend.stop());
  const [thread] = threadsOf(1);
  const spec = upstreamSpec(1, [{ port: backend.port }]);
  const { upstream } = thread!.serve(spec, { realIpHeader: "x-real-ip" });
  const proxy = createProxy(PROXY, new Map([["app", upstream]]), thread!.context);
  return { thread: thread!, proxy, backend };
}

function innerOf(thread: TestThread, user: Recorder, request: Partial<RequestHead> = {}): InnerClient {
  const head: RequestHead = {
    method: "GET",
    path: "/inner",
    query: "?q",
    authority: "a.test",
    host: "a.test",
    protocol: "HTTP/1.1",
    headers: new HeaderList(),
    bodyLength: 0,
    upgrade: null,
    ...request,
  };
  const outer = new Exchange(head, OUTER, "192.0.2.9", 0);
  Object.assign(outer, {
    peerTrusted: true,
    clientAddress: "198.51.100.7",
    scheme: "https",
    user: "ann",
    personal: true,
    route: "web",
  });
  const inner = new InnerClient(thread.context, outer, head, user);
  user.inner = inner;
  return inner;
}

/** Answers when the whole of a request head is there. */
function answering(text: string): (connection: RawConnection) => unknown {
  return (connection) => connection.until("\r\n\r\n").then(() => connection.write(text));
}

describe("an inner exchange", { timeout: 20_000 }, () => {
  it("asks an upstream, and hears the whole answer", async (t) => {
    const { thread, proxy, backend } = await settingOf(
      t,
      answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"),
    );
    const user = new Recorder();
    const inner = innerOf(thread, user);
    inner.start(proxy, 1000);
    const events = await user.until(/^end/);
    assert.equal(events[0], `head 200 ${UNKNOWN_LENGTH}`);
    assert.equal(events.slice(1, -1).join("").replaceAll("body ", ""), "abcdef");
    assert.match(backend.text, /^GET \/inner\?q HTTP\/1.1\r\nHost: a.test\r\nX-Forwarded-For: 192.0.2.9\r\n/);
    assert.equal(inner.exchange.finished, true);
    assert.equal(inner.exchange.bytesOut, 6);
    thread.elapse(5000);
    assert.equal(user.events.at(-1), "end");
  });

  it("is none of the client's requests", async (t) => {
    const { thread, proxy } = await settingOf(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    const user = new Recorder();
    innerOf(thread, user).start(proxy, 1000);
    assert.deepEqual(await user.until(/^end/), ["head 200 0", "end"]);
    assert.equal(thread.metrics.readTotals().counters.requests, 0);
  });

  it("hears of a failure in place of the answer that a client would get", async (t) => {
    const { thread, proxy } = await settingOf(t, answering("nonsense\r\n\r\n"));
    const user = new Recorder();
    innerOf(thread, user).start(proxy, 1000);
    assert.deepEqual(await user.until(/^failed/), ["failed response_malformed"]);
  });

  it("hears of a failure in the middle of an answer", async (t) => {
    const { thread, proxy, backend } = await settingOf(
      t,
      answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"),
    );
    const user = new Recorder();
    innerOf(thread, user).start(proxy, 1000);
    await user.until(/^body ab/);
    backend.connections[0]!.socket.end();
    assert.deepEqual(await user.until(/^failed/), ["head 200 5", "body ab", "failed response_truncated"]);
  });

  it("is for whom the outer one is", () => {
    const [thread] = threadsOf(1);
    const { exchange } = innerOf(thread!, new Recorder());
    const { peerAddress, clientAddress, peerTrusted, scheme, user, personal, route } = exchange;
    assert.deepEqual(
      [peerAddress, clientAddress, peerTrusted, scheme, user, personal, route],
      ["192.0.2.9", "198.51.100.7", true, "https", "ann", true, "web"],
    );
  });

  it("hears of a bug", () => {
    const user = new Recorder();
    const [thread] = threadsOf(1);
    innerOf(thread!, user).start(() => assert.fail("a bug"), 1000);
    assert.deepEqual(user.events, ["failed internal"]);
  });

  it("ends when its time is over, and lets go of the backend", async (t) => {
    const { thread, proxy, backend } = await settingOf(
      t,
      answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"),
    );
    const user = new Recorder();
    innerOf(thread, user).start(proxy, 500);
    await user.until(/^body ab/);
    thread.elapse(800);
    assert.deepEqual(user.events.slice(-1), ["failed response_timeout"]);
    assert.equal(await backend.connections[0]!.untilGone(), "ended");
  });

  it("ends without a word when nobody waits any more, and lets go of the backend", async (t) => {
    const { thread, proxy, backend } = await settingOf(t, () => {});
    const user = new Recorder();
    const inner = innerOf(thread, user);
    inner.start(proxy, 1000);
    const connection = await backend.connection(0);
    await connection.until("\r\n\r\n");
    inner.abort(new GatewayError("client_gone", "the client went away"));
    assert.equal(await connection.untilGone(), "ended");
    assert.deepEqual(user.events, []);
    assert.equal(inner.exchange.error?.code, "client_gone");
  });

  it("may be given up with the head", async (t) => {
    const { thread, proxy, backend } = await settingOf(
      t,
      answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"),
    );
    const user = new Recorder();
    const inner = innerOf(thread, user);
    const { promise, resolve } = Promise.withResolvers<void>();
    user.onHead = () => {
      inner.abort(new GatewayError("client_gone", "no use"));
      resolve();
    };
    inner.start(proxy, 1000);
    await promise;
    assert.equal(await backend.connections[0]!.untilGone(), "ended");
    assert.deepEqual(user.events, []);
  });

  it("slows the backend down", async (t) => {
    const size = 8_000_000;
    const { thread, proxy, backend } = await settingOf(t, async (connection) => {
      await connection.until("\r\n\r\n");
      connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
      connection.write(Buffer.alloc(size));
    });
    const user = new Recorder();
    user.room = 3;
    const inner = innerOf(thread, user);
    inner.start(proxy, 1000);
    const seen = (await user.until(/^body/)).length;
    // What the sockets do not hold waits with the backend: there is more to come, and it does not come.
    const { socket } = await backend.connection(0);
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(user.events.length <= seen + 3, user.events.join());
    assert.ok(socket.writableLength > 0);
    user.room = Number.POSITIVE_INFINITY;
    inner.drained();
    await user.until(/^end/);
    assert.equal(inner.exchange.bytesOut, size);
  });

  it("gives a body where there is one", async (t) => {
    const { thread, proxy, backend } = await settingOf(t, async (connection) => {
      await connection.until("0\r\n\r\n");
      connection.write("HTTP/1.1 204 No Content\r\n\r\n");
    });
    const user = new Recorder();
    const inner = innerOf(thread, user, { method: "POST", bodyLength: UNKNOWN_LENGTH });
    user.onBodyWanted = () => {
      inner.giveBody(Buffer.from("hello"));
      inner.endBody(null);
    };
    inner.start(proxy, 1000);
    assert.deepEqual(await user.until(/^end/), [`head 204 0`, "end"]);
    assert.match(backend.text, /Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/);
  });

  it("takes an answer that comes at once, without the body that HEAD has none of", () => {
    const [thread] = threadsOf(1);
    const respond = createRespond({ kind: "respond", status: 200, headers: [], body: "hello" });
    for (const [method, expected] of [
      ["GET", ["head 200 5", "body hello", "end"]],
      ["HEAD", ["head 200 5", "end"]],
    ] as const) {
      const user = new Recorder();
      innerOf(thread!, user, { method }).start(respond, 1000);
      assert.deepEqual(user.events, expected);
    }
  });
});
