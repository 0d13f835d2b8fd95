// A gateway whose handlers do as they are asked, and tell what they have seen of themselves and of the queue of their VM.
// For tests.

import { TestGateway } from "../support/gateway.ts";
import { writeApp } from "./write-app.ts";

const HANDLER = `
import { closeSync, fstatSync, writeSync } from "node:fs";

/** Behind the channel to the control thread (3), the only sockets of a VM. */
function links(): number[] {
  return Array.from({ length: 100 }, (_, i) => i + 4).filter((fd) => {
    try {
      return fstatSync(fd).isSocket();
    } catch {
      return false;
    }
  });
}

const seen = { running: 0, mostRunning: 0, mostThere: 0, order: [] as string[], aborted: [] as string[], produced: 0, cancelled: 0 };
let open = Promise.withResolvers<void>();
const kept: Promise<never>[] = [];

// The queue of a VM is a Set of exchanges: from inside, it can be seen how many there are at a time.
const { add } = Set.prototype;
Set.prototype.add = function (this: Set<unknown>, value: unknown) {
  add.call(this, value);
  if (typeof (value as { onQueued?: unknown } | null)?.onQueued === "function")
    seen.mostThere = Math.max(seen.mostThere, this.size + seen.running);
  return this;
};

async function held(request: Request, until: Promise<unknown>, name: string): Promise<void> {
  seen.running++;
  seen.mostRunning = Math.max(seen.mostRunning, seen.running);
  seen.mostThere = Math.max(seen.mostThere, seen.running);
  seen.order.push(name);
  const aborted = new Promise<void>((resolve) => {
    const onAbort = () => {
      seen.aborted.push(name + " " + request.signal.reason?.name);
      resolve();
    };
    request.signal.addEventListener("abort", onAbort);
  });
  let over = false;
  const done = () => {
    if (!over) seen.running--;
    over = true;
  };
  // At once: the VM begins the next one in the same moment.
  request.signal.addEventListener("abort", done);
  await Promise.race([until, aborted]);
  done();
}

export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const name = searchParams.get("name") ?? "";
    const ms = Number(searchParams.get("ms") ?? 0);
    switch (pathname) {
      case "/seen":
        return Response.json(seen);
      case "/hold":
        await held(request, new Promise((resolve) => setTimeout(resolve, ms)), name);
        return new Response("held");
      case "/gate":
        await held(request, open.promise, name);
        return new Response("through");
      case "/open":
        open.resolve();
        open = Promise.withResolvers();
        return new Response("open");
      case "/never":
        request.signal.addEventListener("abort", () => seen.aborted.push(name + " " + request.signal.reason?.name));
        for (let i = 0; i < Number(searchParams.get("promises") ?? 1); i++) kept.push(new Promise(() => {}));
        return await Promise.race(kept);
      case "/text":
        return new Response(String((await request.text()).length));
      case "/unread":
        await new Promise((resolve) => setTimeout(resolve, ms));
        return new Response("unread");
      case "/slowly": {
        let bytes = 0;
        for await (const piece of request.body!) {
          bytes += piece.length;
          await new Promise((resolve) => setTimeout(resolve, ms));
        }
        return new Response(String(bytes));
      }
      case "/produce":
        return new Response(
          new ReadableStream({
            pull(controller) {
              seen.produced += 65_536;
              if (seen.produced > 1_000_000_000) controller.close();
              else controller.enqueue(new Uint8Array(65_536));
            },
            cancel() {
              seen.cancelled++;
            },
          }),
        );
      case "/events":
        return new Response(
          new ReadableStream({
            start(controller) {
              controller.enqueue(Buffer.from("data: one\\n\\n"));
            },
          }),
          { headers: { "Content-Type": "text/event-stream" } },
        );
      case "/socket": {
        const { 0: client, 1: server } = new WebSocketPair();
        server.accept();
        return new Response(null, { status: 101, webSocket: client } as ResponseInit);
      }
      case "/rubbish":
        for (const fd of links()) writeSync(fd, "rubbish".repeat(10));
        await new Promise(() => {});
        break;
      case "/close":
        for (const fd of links()) closeSync(fd);
        await new Promise(() => {});
        break;
      case "/exit":
        process.exit(1);
      case "/spin":
        seen.order.push(name);
        for (;;);
    }
    return new Response("ok");
  },
};
`;

export interface Seen {
  /** Handlers under way now, and most of them at a time. */
  readonly running: number;
  readonly mostRunning: number;
  /** Most exchanges in the VM at a time. */
  readonly mostThere: number;
  /** The names of exchanges in the order in which their handlers began. */
  readonly order: readonly string[];
  /** Those whose signal was aborted, with the name of the reason. */
  readonly aborted: readonly string[];
  /** Bytes. */
  readonly produced: number;
  readonly cancelled: number;
}

export interface QueueAnswer {
  readonly queued: number;
  readonly waiting: number;
  readonly rejected: number;
  readonly timed_out: number;
  readonly waited: number;
  readonly wait_ms: { readonly p50: number; readonly max: number };
}

export interface VmNumbers {
  readonly id: number;
  readonly pid: number;
  readonly state: string;
  readonly outstanding: number;
  readonly running: number;
  readonly queued: number;
  readonly abandoned: number;
}

export class WaitingApp {
  readonly gateway: TestGateway;
  readonly #admin: string;

  /** `app` is the inside of the app's section, as YAML flow; `more` comes behind. */
  static async start(
    app: string,
    { server = "", more = "", env = {} }: { server?: string; more?: string; env?: NodeJS.ProcessEnv } = {},
  ): Promise<WaitingApp> {
    const entry = writeApp(HANDLER);
    const config = `admin: { port: 0 }
apps: { work: { entry: ${entry}, ${app} }, other: { entry: ${entry} } }
routing: { all: { app: work }, other: { path: /other, app: other }, plain: { path: /plain, respond: { body: plain } } }
${more}`;
    const gateway = await TestGateway.start(config, { server: `shutdown_timeout: 1s, ${server}`, env });
    const { msg } = await gateway.logged((line) => line.msg.startsWith("admin API on "));
    return new WaitingApp(gateway, msg.slice("admin API on ".length));
  }

  private constructor(gateway: TestGateway, admin: string) {
    this.gateway = gateway;
    this.#admin = admin;
  }

  get(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.gateway.port}${path}`, init);
  }

  /** Resolves with the status and the code of the error, or the text. */
  async ask(path: string, init: RequestInit = {}): Promise<string> {
    const response = await this.get(path, init);
    const text = await response.text();
    if (response.status === 200) return `200 ${text}`;
    return `${response.status} ${(JSON.parse(text) as { error: { code: string } }).error.code}`;
  }

  async seen(): Promise<Seen> {
    return (await (await this.get("/seen")).json()) as Seen;
  }

  async app(): Promise<{ readonly queue: QueueAnswer; readonly vms: readonly VmNumbers[] }> {
    const answer = await (await fetch(`${this.#admin}/api/v1/apps?app=work`)).json();
    return (answer as { apps: { queue: QueueAnswer; vms: VmNumbers[] }[] }).apps[0]!;
  }

  /** Asks the admin API until it is so. */
  async until(isSo: (app: Awaited<ReturnType<WaitingApp["app"]>>) => boolean): Promise<void> {
    while (!isSo(await this.app())) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** So many exchanges are at VMs. */
  untilOutstanding(count: number): Promise<void> {
    return this.until(({ vms }) => vms.reduce((sum, vm) => sum + vm.outstanding, 0) === count);
  }

  untilQueued(count: number): Promise<void> {
    return this.until(({ queue }) => queue.queued === count);
  }
}
