// A gateway whose app does to its VM whatever a request asks for, and what the admin API tells of it. For tests.

import { TestGateway } from "../support/gateway.ts";
import { writeApp } from "./write-app.ts";

const HANDLER = `
import { fstatSync, writeSync } from "node:fs";
const kept: unknown[] = [];
export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    switch (pathname) {
      case "/exit":
        process.exit(3);
      case "/throw":
        setImmediate(() => { throw new Error("nobody caught this"); });
        break;
      case "/reject":
        void Promise.reject(new Error("nobody awaited this"));
        break;
      case "/abort":
        process.abort();
      case "/spin":
        for (;;);
      case "/block": {
        const end = performance.now() + Number(searchParams.get("ms"));
        while (performance.now() < end);
        break;
      }
      case "/heap":
        for (;;) kept.push({ a: kept.length, b: [kept.length] });
      case "/buffers":
        for (let i = 0; i < 100; i++) {
          kept.push(new Uint8Array(10_000_000).fill(1));
          await new Promise((resolve) => setImmediate(resolve));
        }
        break;
      case "/rubbish":
        // Not into what belongs to Node alone, which would crash of it, nor into the channel to the control thread (3).
        for (let fd = 4; fd < 100; fd++) try { if (fstatSync(fd).isSocket()) writeSync(fd, "rubbish".repeat(10)); } catch {}
        break;
      case "/ipc-garbage":
        writeSync(3, "rubbish\\n");
        break;
      case "/ipc-ack":
        writeSync(3, JSON.stringify({ cmd: "NODE_HANDLE_ACK" }) + "\\n");
        break;
      case "/ipc-socket":
        writeSync(3, JSON.stringify({ cmd: "NODE_HANDLE", type: "nothing" }) + "\\n");
        break;
      case "/ipc-endless":
        for (const piece = "x".repeat(65_536);;) try { writeSync(3, piece); } catch {}
      case "/ipc-flood":
        for (const line = JSON.stringify({ type: "drained" }) + "\\n";;) try { writeSync(3, line.repeat(1000)); } catch {}
      case "/ipc":
        process.send?.({ type: "pong", number: "x" });
        break;
      case "/disconnect":
        process.disconnect();
        break;
      case "/wait":
        await new Promise((resolve) => setTimeout(resolve, Number(searchParams.get("ms"))));
        break;
      case "/stream":
        return new Response(new ReadableStream({
          async start(controller) {
            for (let i = 0; i < Number(searchParams.get("pieces")); i++) {
              controller.enqueue(Buffer.from(i + " "));
              await new Promise((resolve) => setTimeout(resolve, 100));
            }
            controller.close();
          },
        }));
    }
    return new Response(VERSION);
  },
};
`;

export interface VmAnswer {
  readonly id: number;
  readonly pid: number;
  readonly state: string;
  readonly requests: number;
  readonly outstanding: number;
  readonly abandoned: number;
  readonly rss: number;
}

export interface AppAnswer {
  readonly name: string;
  readonly version: string;
  readonly state: string;
  readonly reason: string | null;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly vms: readonly VmAnswer[];
}

export class Supervised {
  readonly gateway: TestGateway;
  readonly entry: string;
  readonly #admin: string;

  /** `app` is the inside of the app's section, as YAML flow. */
  static async start(
    app = "",
    server = "",
    code = codeOf("one"),
    env: NodeJS.ProcessEnv = {},
  ): Promise<Supervised> {
    const entry = writeApp(code);
    const gateway = await TestGateway.start(configOf(entry, app), { server, env });
    const { msg } = await gateway.logged((line) => line.msg.startsWith("admin API on "));
    return new Supervised(gateway, entry, msg.slice("admin API on ".length));
  }

  private constructor(gateway: TestGateway, entry: string, admin: string) {
    this.gateway = gateway;
    this.entry = entry;
    this.#admin = admin;
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.gateway.port}${path}`;
  }

  get(path: string): Promise<Response> {
    return fetch(this.url(path));
  }

  async apps(): Promise<readonly AppAnswer[]> {
    return ((await (await fetch(`${this.#admin}/api/v1/apps`)).json()) as { apps: AppAnswer[] }).apps;
  }

  /** The version that serves. */
  async app(): Promise<AppAnswer> {
    return (await this.apps())[0]!;
  }

  /** The first VM that serves. */
  async vm(): Promise<VmAnswer> {
    return (await this.app()).vms.find(({ state }) => state === "serving")!;
  }

  /** The VM that has a request, which another one may have taken over from the first. */
  async busy(): Promise<VmAnswer> {
    const has = ({ outstanding }: VmAnswer) => outstanding > 0;
    return (await this.until(([app]) => app!.vms.some(has)))[0]!.vms.find(has)!;
  }

  async metrics(): Promise<string> {
    return await (await fetch(`${this.#admin}/metrics`)).text();
  }

  /** Asks the admin API until it is so. */
  async until(fits: (apps: readonly AppAnswer[]) => boolean): Promise<readonly AppAnswer[]> {
    for (;;) {
      const apps = await this.apps();
      if (fits(apps)) return apps;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** The log line of the end of a VM. */
  ended(outcome: string, id?: number) {
    return this.gateway.logged((line) => {
      return line["outcome"] === outcome && (id === undefined || line["vm"] === id);
    });
  }
}

export function codeOf(version: string): string {
  return HANDLER.replace("VERSION", JSON.stringify(version));
}

export function configOf(entry: string, app = ""): string {
  return `admin: { port: 0 }\napps: { work: { entry: ${entry}, ${app} } }\nrouting: { all: { app: work } }`;
}
