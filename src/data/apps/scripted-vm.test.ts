// What the tests of links are made of: VMs whose every frame the test decides, on real sockets; a data thread without
// listeners, with time that stands still; and clients that keep what they get. It has no test of its own; its name keeps it
// out of what is published.

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { AppActionSpec, AppSpec } from "../../config/snapshot.ts";
import { type ClientStream, Exchange, type RequestHead, type ResponseHead } from "../../core/exchange.ts";
import { HeaderList } from "../../core/headers.ts";
import { createAppQueue, readAppQueue } from "../../core/shared/app-queue.ts";
import { AppState, createAppState } from "../../core/shared/app-state.ts";
import { FrameReader } from "../../wire/frame-reader.ts";
import { FrameWriter } from "../../wire/frame-writer.ts";
import { FrameType, HEAD_ENDS } from "../../wire/frames.ts";
import { createApp } from "../actions/app.ts";
import type { StartAction } from "../actions/route.ts";
import { type TestThread, threadsOf, upstreamSpec } from "../upstream/setting.test.ts";
import type { VmPool } from "./vm-pool.ts";

export const IDLE_MS = 3000;
export const TIMEOUT_MS = 2000;
export const QUEUE_TIMEOUT_MS = 1000;
const ACTION: AppActionSpec = {
  kind: "app",
  app: "work",
  stripPrefix: null,
  timeouts: {
    connectMs: 1000,
    responseMs: 1000,
    idleMs: IDLE_MS,
    websocketIdleMs: IDLE_MS,
    sseIdleMs: 2 * IDLE_MS,
    backendKeepAliveMs: 1000,
  },
};
const RULES: Omit<AppSpec, "shared" | "queueShared"> = {
  name: "work",
  concurrency: 2,
  queue: { size: 2, timeoutMs: QUEUE_TIMEOUT_MS },
  timeoutMs: TIMEOUT_MS,
  requestBufferBytes: 65_536,
  detailedErrors: false,
  repeatsIdempotent: false,
  upstreams: [],
  websocket: { maxMessageBytes: 1000, queueBytes: 1000, compression: false },
  pool: 1,
};
const SLOTS = 4;

export interface Frame {
  readonly type: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** Whatever goes from one end of a link to the other has done so by then. */
export async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await nextTurn();
}

/** The other end of a link. */
export class ScriptedVm {
  readonly id: number;
  readonly path: string;
  readonly #server: Server;
  #socket: Socket | null = null;
  writer!: FrameWriter;
  /** Those that no test has taken yet. */
  readonly frames: Frame[] = [];
  /** The data thread has closed the link. */
  closed = false;
  #watchers: Array<() => void> = [];
  readonly #reader = new FrameReader({
    onFrame: (type, stream, bytes, start, end) => {
      this.frames.push({ type, stream, payload: Buffer.from(bytes.subarray(start, end)) });
      return null;
    },
  });

  static async listen(id: number): Promise<ScriptedVm> {
    const vm = new ScriptedVm(id);
    vm.#server.listen(vm.path);
    await once(vm.#server, "listening");
    return vm;
  }

  private constructor(id: number) {
    this.id = id;
    this.path = join(mkdtempSync(join(tmpdir(), "sluice-link-")), "vm.sock");
    this.#server = createServer((socket) => this.#accept(socket));
  }

  #accept(socket: Socket): void {
    this.#socket = socket;
    this.writer = new FrameWriter(socket);
    socket.on("data", (chunk: Buffer) => {
      const fault = this.#reader.feed(chunk);
      if (fault !== null) throw new Error(`the data thread sent ${fault}`);
      this.#changed();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.closed = true;
      this.#changed();
    });
  }

  /** The next frame of that type, which is taken; those before it are left. */
  async next(type: number): Promise<Frame> {
    for (;;) {
      const at = this.frames.findIndex((frame) => frame.type === type);
      if (at >= 0) return this.frames.splice(at, 1)[0]!;
      if (this.closed) throw new Error(`the link was closed without a frame of type ${type}`);
      await this.#change();
    }
  }

  async untilClosed(): Promise<void> {
    while (!this.closed) await this.#change();
  }

  /** Answers the next ping. */
  async pong(): Promise<void> {
    const { payload } = await this.next(FrameType.ping);
    this.writer.bytes(FrameType.pong, 0, payload);
    this.writer.flush();
  }

  respond(
    stream: number,
    text = "HTTP/1.1 200 OK\r\n\r\n",
    body: string | Buffer | null = "ok",
    ends = true,
  ): void {
    this.writer.head(stream, text, body, ends ? HEAD_ENDS : 0);
    this.writer.flush();
  }

  say(type: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): void {
    this.writer.bytes(type, stream, payload);
    this.writer.flush();
  }

  credit(stream: number, bytes: number): void {
    this.writer.number(FrameType.credit, stream, bytes);
    this.writer.flush();
  }

  /** Ends as a process does that is killed: with all that it has not read. */
  kill(): void {
    this.#socket?.destroy();
  }

  stop(): void {
    this.kill();
    this.#server.close();
    rmSync(dirname(this.path), { recursive: true });
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#watchers.push(resolve));
  }

  #changed(): void {
    for (const watcher of this.#watchers.splice(0)) watcher();
  }
}

/** A client of one exchange. */
export class TestClient {
  readonly exchange: Exchange;
  head: ResponseHead | null = null;
  readonly pieces: Buffer[] = [];
  /** How the response ended: whole, or cut. */
  ended: "whole" | "cut" | null = null;
  /** Calls behind the end. */
  late = 0;
  flows = true;
  bodyFlows = false;
  #watchers: Array<() => void> = [];

  constructor(request: Partial<RequestHead> = {}) {
    const head = {
      method: "GET",
      path: "/",
      query: "",
      authority: "a.test",
      host: "a.test",
      protocol: "HTTP/1.1",
      bodyLength: 0,
      upgrade: null,
      headers: new HeaderList(),
      ...request,
    } as RequestHead;
    const client = {
      tls: null,
      ends: { source: { address: "192.0.2.1", port: 1 }, destination: { address: "192.0.2.2", port: 2 } },
      resumeBody: () => {
        this.bodyFlows = true;
      },
      pauseBody: () => {
        this.bodyFlows = false;
      },
      sendHead: (head: ResponseHead, body: Buffer | null, last: boolean) => {
        if (this.head !== null) this.late++;
        this.head = head;
        this.exchange.status = head.status;
        if (body !== null) this.pieces.push(Buffer.from(body));
        if (last) this.#end("whole");
        this.#changed();
        return this.flows;
      },
      sendBody: (chunk: Buffer) => {
        if (this.ended !== null) this.late++;
        this.pieces.push(Buffer.from(chunk));
        this.#changed();
        return this.flows;
      },
      sendEnd: () => this.#end("whole"),
      cut: () => this.#end("cut"),
      finished: () => {},
    };
    this.exchange = new Exchange(head, client as unknown as ClientStream, "192.0.2.1", performance.now());
  }

  get status(): number {
    return this.head?.status ?? 0;
  }

  /** The code of the error, or empty. */
  get error(): string {
    return this.exchange.error?.code ?? "";
  }

  get body(): string {
    return Buffer.concat(this.pieces).toString("latin1");
  }

  send(body: string): void {
    this.exchange.action?.onRequestBody(Buffer.from(body));
  }

  endRequest(): void {
    this.exchange.action?.onRequestEnd(null);
  }

  drain(): void {
    this.flows = true;
    this.exchange.action?.onClientDrain();
  }

  /** As a connection that is lost. */
  goAway(error: Exchange["error"]): void {
    const { action } = this.exchange;
    this.exchange.action = null;
    action?.onAborted(error!);
    this.#end("cut");
  }

  async untilEnd(): Promise<void> {
    while (this.ended === null) await this.change();
  }

  async untilBytes(count: number): Promise<void> {
    while (Buffer.concat(this.pieces).length < count) await this.change();
  }

  change(): Promise<void> {
    return new Promise((resolve) => this.#watchers.push(resolve));
  }

  #end(how: "whole" | "cut"): void {
    if (this.ended !== null) this.late++;
    this.ended = how;
    this.#changed();
  }

  #changed(): void {
    for (const watcher of this.#watchers.splice(0)) watcher();
  }
}

/** An app with so many VMs, as the data threads of one gateway have it. */
export class TestApp {
  readonly vms: readonly ScriptedVm[];
  readonly threads: readonly TestThread[];
  readonly spec: AppSpec;
  readonly state: AppState;
  readonly pools: readonly VmPool[];
  readonly #starts: readonly StartAction[];

  static async start(
    t: TestContext,
    rules: Partial<AppSpec> = {},
    { vms: count, threads, serving }: { vms?: number; threads?: number; serving?: number } = {},
  ): Promise<TestApp> {
    const vms = await Promise.all(Array.from({ length: count ?? 1 }, (_, i) => ScriptedVm.listen(i + 1)));
    const app = new TestApp(vms, threads ?? 1, rules);
    app.serve(...vms.slice(0, serving));
    t.after(() => {
      for (const pool of app.pools) pool.serve([], "the test is over");
      for (const vm of vms) vm.stop();
    });
    return app;
  }

  /** Resolves when it is so. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await nextTurn();
  }

  private constructor(vms: readonly ScriptedVm[], threads: number, rules: Partial<AppSpec>) {
    const shared = createAppState(threads, SLOTS);
    this.vms = vms;
    this.spec = { ...RULES, ...rules, shared, queueShared: createAppQueue(threads) };
    this.state = new AppState(shared, threads);
    this.threads = threadsOf(threads);
    this.pools = this.threads.map(({ context }) => context.vms.of(this.spec));
    this.#starts = this.threads.map((thread, i) => {
      thread.serve(upstreamSpec(threads, [{}]));
      return createApp(ACTION, this.spec, this.pools[i]!, thread.context);
    });
  }

  get thread(): TestThread {
    return this.threads[0]!;
  }

  /** These VMs serve. */
  serve(...vms: readonly ScriptedVm[]): void {
    const addresses = vms.map(({ id, path }) => ({ id, slot: id - 1, path, key: "k".repeat(32) }));
    for (const pool of this.pools) pool.serve(addresses, null);
  }

  /** Begins an exchange on a thread. */
  ask(request: Partial<RequestHead> = {}, thread = 0): TestClient {
    const client = new TestClient(request);
    this.#starts[thread]!(client.exchange);
    return client;
  }

  /** At a VM, over all threads. */
  outstanding(vm = 1): number {
    return this.state.outstanding(vm - 1);
  }

  get queue() {
    const { waits, ...numbers } = readAppQueue(this.spec.queueShared, this.threads.length);
    return { ...numbers, waited: waits.count };
  }

  /** What was said of links: the fault, or null where a VM closed one. */
  get faults(): (string | null)[] {
    return this.threads.flatMap(({ reports }) =>
      reports.flatMap((report) => (report.type === "link-lost" ? [report.fault] : [])),
    );
  }
}
