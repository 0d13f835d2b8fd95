// An admin API on 127.0.0.1 over real shared memory that a test writes as data threads would. Runs in tests.

import type { TestContext } from "node:test";
import pino from "pino";
import type { AdminSpec } from "../../src/config/compile.ts";
import { loadConfigText } from "../../src/config/load.ts";
import { AdminServer } from "../../src/control/admin/server.ts";
import type { BackendRecord, DataThreadView, GatewayView, Lifecycle } from "../../src/control/admin/view.ts";
import type { AppReport } from "../../src/control/apps/app-report.ts";
import { type LiveBackend, type LiveUpstream, Upstreams } from "../../src/control/upstreams.ts";
import { createMetrics, type ThreadMetrics, threadMetrics } from "../../src/core/metrics.ts";
import { BackendShare } from "../../src/core/shared/backend-state.ts";
import type { CachePurge } from "../../src/wire/control.ts";
import { type Answer, ask } from "../http/client.ts";

export const TOKEN = "a token of the operator";
export const SPEC: AdminSpec = {
  host: "127.0.0.1",
  port: 0,
  token: TOKEN,
  open: false,
  closed: false,
  allowedHosts: ["admin.example"],
};
const THREADS = 2;

/** What the admin API sees: the test is the gateway. */
export class TestView implements GatewayView {
  readonly version = "1.2.3";
  readonly startedAt = Date.now() - 5000;
  lifecycle: Lifecycle = "ready";
  snapshotVersion = 7;
  apps: AppReport[] = [];
  dataThreads: DataThreadView[] = [
    { index: 0, running: true, eventLoop: { active: 250, idle: 750 } },
    { index: 1, running: true, eventLoop: { active: 0, idle: 1000 } },
  ];
  readonly #metrics = createMetrics(THREADS);
  readonly #upstreams = new Upstreams(THREADS);

  /** `config` is that of a gateway: of it, the upstreams count. */
  constructor(config: string) {
    const loaded = loadConfigText(config, "test", {});
    if (!loaded.ok) throw new Error(loaded.problems.map(({ message }) => message).join("\n"));
    const live = this.#upstreams.draft(loaded.snapshot.upstreams, ({ host, port, weight, backup }) => [
      { address: host, port, weight, backup, hostName: host },
    ]);
    this.#upstreams.adopt(live);
  }

  get upstreams(): readonly LiveUpstream[] {
    return this.#upstreams.live;
  }

  readonly routes = ["shop", "news"];
  readonly purges: CachePurge[] = [];

  async purgeCaches(purge: CachePurge): Promise<number> {
    return 3 * this.purges.push(purge);
  }

  readTotals() {
    return this.#metrics.readTotals();
  }

  /** By id of the backend. */
  readonly records = new Map<string, BackendRecord>();

  healthOf(_upstream: string, id: string): BackendRecord | null {
    return this.records.get(id) ?? null;
  }

  /** The region of one data thread. */
  thread(index: number): ThreadMetrics {
    return threadMetrics(this.#metrics.shared, index);
  }

  upstream(name: string): LiveUpstream {
    return this.upstreams.find(({ spec }) => spec.name === name)!;
  }

  backend(id: string): LiveBackend {
    return this.upstreams.flatMap(({ backends }) => backends).find(({ spec }) => spec.id === id)!;
  }

  /** The backend as one data thread has it. */
  share(id: string, thread: number): BackendShare {
    return new BackendShare(this.backend(id).spec.shared, thread);
  }
}

/** Ends with the test. What is logged goes to `lines`. */
export async function startAdmin(
  t: TestContext,
  config: string,
  spec: Partial<AdminSpec> = {},
): Promise<{ admin: AdminServer; view: TestView; port: number; lines: string[] }> {
  const view = new TestView(config);
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => lines.push(line) });
  const whole = { ...SPEC, ...spec };
  const admin = await AdminServer.start(whole, view, whole.token, log);
  t.after(() => admin.close());
  return { admin, view, port: admin.address.port, lines };
}

export const AUTHORIZATION = `Authorization: Bearer ${TOKEN}\r\n`;

export async function get(port: number, path: string, fields = ""): Promise<Answer> {
  return (await ask(port, `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${fields}\r\n`)).answer;
}

export async function getJson(port: number, path: string): Promise<Record<string, unknown>> {
  return JSON.parse((await get(port, path)).body);
}

/** `fields` come beside Host, Content-Type and Content-Length. */
export async function post(
  port: number,
  path: string,
  body: unknown,
  fields = AUTHORIZATION,
): Promise<Answer> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\n`;
  return (await ask(port, `${head}Content-Length: ${Buffer.byteLength(text)}\r\n${fields}\r\n${text}`))
    .answer;
}

/** `status code` of an error. */
export function errorOf({ status, body }: Answer): string {
  const { error, ...others } = JSON.parse(body);
  if (Object.keys(others).length > 0 || typeof error.message !== "string") throw new Error(body);
  return `${status} ${error.code}`;
}
