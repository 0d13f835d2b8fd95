// What tests of apps and configurations import from "sluice/test": a gateway in the test's own process, with data threads
// and VMs as in production. Runs in the user's tests.

import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Gateway } from "../control/gateway.ts";
import { createLog } from "../control/log.ts";
import { type Given, type Loaded, loadGiven } from "./configuration.ts";
import { send, targetOf } from "./request.ts";

export type { Configuration, Given, HandlerConfiguration } from "./configuration.ts";

/** A line of the gateway's event log. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/**
 * Starts a gateway on a free port of 127.0.0.1. Rejects with every problem of the configuration, or with what keeps an app
 * from starting. End it with `close()`, or take it with `await using`.
 */
export async function createTestGateway(given: Given): Promise<TestGateway> {
  const running = new RunningGateway(given);
  await running.start();
  return running;
}

export interface TestGateway extends AsyncDisposable {
  /** Of the first listener without TLS, else of the first one; without a slash at its end. */
  readonly url: string;
  readonly port: number;
  /** What the gateway and its apps have logged so far, also while it started. */
  readonly log: readonly LogLine[];
  /**
   * As the global `fetch`, but: a path is enough; another host goes to this gateway too, as the Host of the request;
   * redirects are given, not followed; bodies are not decompressed; any certificate will do.
   */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
  /** The first line of the log that fits, now or later; rejects when the gateway was closed before. */
  logged(fits: (line: LogLine) => boolean): Promise<LogLine>;
  /**
   * Goes over to another configuration, or reads the same one and the code of its apps again. Rejects with what is wrong;
   * then the one before goes on.
   */
  reload(given?: Given): Promise<void>;
  /** Ends what is under way, the data threads and the VMs. */
  close(): Promise<void>;
}

class RunningGateway implements TestGateway {
  readonly log: LogLine[] = [];
  readonly #watchers = new Set<() => void>();
  /** For the secrets that the gateway makes. */
  readonly #folder = join(tmpdir(), `sluice-test-${randomBytes(8).toString("hex")}`);
  #given: Given;
  #loaded: Loaded;
  #gateway: Gateway | null = null;
  #closing: Promise<void> | null = null;

  constructor(given: Given) {
    this.#given = given;
    this.#loaded = loadGiven(given);
  }

  async start(): Promise<void> {
    const log = createLog({ isTTY: false, write: (line: string) => this.#receive(line) });
    try {
      const environment = { STATE_DIRECTORY: this.#folder };
      this.#gateway = await Gateway.start(() => this.#loaded, log, { watch: false, environment });
    } catch (error) {
      this.#removeFolder();
      throw new Error(`Cannot start the test gateway: ${messageOf(error)}`, { cause: error });
    }
  }

  get url(): string {
    const { host, port, tls } = this.#listener;
    return `${tls === null ? "http" : "https"}://${host}:${port}`;
  }

  get port(): number {
    return this.#listener.port;
  }

  async fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    this.#needOpen();
    return await send(await targetOf(this.url, input, init));
  }

  logged(fits: (line: LogLine) => boolean): Promise<LogLine> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = this.log.find(fits);
        if (found !== undefined) resolve(found);
        else if (this.#closing !== null)
          reject(new Error(`The test gateway was closed, and has logged only:\n${this.#logText(0)}`));
        else return;
        this.#watchers.delete(look);
      };
      this.#watchers.add(look);
      look();
    });
  }

  async reload(given: Given = this.#given): Promise<void> {
    this.#needOpen();
    const logged = this.log.length;
    this.#loaded = loadGiven(given);
    if (!(await this.#gateway!.reload()))
      throw new Error(`Cannot reload the test gateway:\n${this.#logText(logged)}`);
    this.#given = given;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#gateway!.stop();
    this.#removeFolder();
    for (const look of this.#watchers) look();
  }

  get #listener(): Gateway["listeners"][number] {
    const { listeners } = this.#gateway!;
    return listeners.find(({ tls }) => tls === null) ?? listeners[0]!;
  }

  #needOpen(): void {
    if (this.#closing !== null) throw new Error("The test gateway was closed");
  }

  #receive(line: string): void {
    this.log.push(JSON.parse(line) as LogLine);
    for (const look of this.#watchers) look();
  }

  #logText(from: number): string {
    const lines = this.log.slice(from).filter(({ level }) => level !== "info");
    return lines.map(({ msg }) => `  ${msg}`).join("\n");
  }

  #removeFolder(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
