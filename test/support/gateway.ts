// Runs the real program on a configuration, for tests: `sluice run -c FILE` in a process of its own, on port 0.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { newFolder } from "./folder.ts";

const EXAMPLES = new URL("../../examples/", import.meta.url);
const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export class TestGateway {
  readonly process: ChildProcess;
  /** A folder for files of this test; gone after `stop`. */
  readonly folder: string;
  readonly configFile: string;
  /** The event log so far, and what else was printed: lines of the access log have level "access", plain text "text". */
  readonly log: LogLine[] = [];
  readonly #exited: Promise<number | null>;
  readonly #watchers = new Set<() => void>();
  /** Of the first listener. */
  port = 0;

  /**
   * Resolves when the gateway listens. The configuration needs no `server` section: it gets a listener on 127.0.0.1
   * with a free port and one data thread, unless `server` (the inside of the section, as YAML flow) says otherwise.
   */
  static async start(config: string, options: GatewayOptions = {}): Promise<TestGateway> {
    return await new TestGateway(config, options).#listening();
  }

  /** Starts the configuration of examples/ of that name as it is, in its own folder; `env` has its variables. */
  static async startExample(name: string, env: NodeJS.ProcessEnv = {}): Promise<TestGateway> {
    const example = fileURLToPath(new URL(`${name}/sluice.yaml`, EXAMPLES));
    return await new TestGateway("", { env: { PORT: "0", ...env }, example }).#listening();
  }

  async #listening(): Promise<TestGateway> {
    const line = await this.logged((entry) => entry.msg.startsWith("listening on "));
    this.port = Number(/:\/\/.*?:(\d+)(?:,|$)/.exec(line.msg)?.[1]);
    return this;
  }

  /** Starts a gateway that may fail to; see `exited` and `log`. */
  constructor(config: string, options: GatewayOptions = {}) {
    this.folder = newFolder();
    if (options.owner !== undefined) chownSync(this.folder, options.owner.uid, options.owner.gid);
    this.configFile = options.example ?? join(this.folder, "sluice.yaml");
    if (options.example === undefined) this.configure(config, options);
    const args = options.args ?? ["run", "-c", this.configFile];
    const command = [...(options.prefix ?? []), process.execPath, MAIN, ...args];
    this.process = spawn(command[0]!, command.slice(1), {
      cwd: options.example === undefined ? this.folder : dirname(options.example),
      env: { ...process.env, STATE_DIRECTORY: join(this.folder, "state"), ...options.env },
      stdio: ["ignore", options.stdout ?? "ignore", "pipe"],
    });
    for (const input of [this.process.stderr, this.process.stdout]) {
      if (input !== null) createInterface({ input }).on("line", (line) => this.#receive(line));
    }
    this.#exited = once(this.process, "close").then(([code]) => code as number | null);
  }

  /** Writes the configuration file anew; `reload` makes the gateway read it. */
  configure(config: string, { server = "" }: GatewayOptions = {}): void {
    const listener = /\b(port|listeners):/.test(server) ? "" : "host: 127.0.0.1, port: 0, ";
    const workers = /\bworkers:/.test(server) ? "" : "workers: 1, ";
    writeFileSync(this.configFile, `server: { ${listener}${workers}${server} }\n${config}`);
  }

  /** Resolves with the log line that tells how the reload went. */
  async reload(): Promise<LogLine> {
    const before = this.log.length;
    this.process.kill("SIGHUP");
    return await this.logged((line, at) => at >= before && /configuration (not )?reloaded/.test(line.msg));
  }

  /** Goes over to another configuration, without a restart. */
  async adopt(config: string, options: GatewayOptions = {}): Promise<void> {
    this.configure(config, options);
    const { level, msg } = await this.reload();
    if (level !== "info") throw new Error(msg);
  }

  /** The first log line that fits, now or later; rejects when the gateway ends before. */
  logged(fits: (line: LogLine, index: number) => boolean): Promise<LogLine> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = this.log.find(fits);
        if (found === undefined) return;
        this.#watchers.delete(look);
        resolve(found);
      };
      this.#watchers.add(look);
      this.#exited.then((code) => {
        look();
        reject(
          new Error(
            `the gateway ended with ${code}: ${this.log.map((line) => JSON.stringify(line)).join("\n")}`,
          ),
        );
      });
      look();
    });
  }

  #receive(line: string): void {
    if (line.startsWith("{")) this.log.push({ level: "access", msg: "", ...(JSON.parse(line) as object) });
    else this.log.push({ level: "text", msg: line });
    for (const watcher of this.#watchers) watcher();
  }

  /** Resolves with the exit code, or null after a signal. */
  get exited(): Promise<number | null> {
    return this.#exited;
  }

  /** Ends the gateway as an operator would, and takes its folder away. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    this.process.kill(signal);
    const code = await this.#exited;
    rmSync(this.folder, { recursive: true, force: true });
    return code;
  }
}

export interface GatewayOptions {
  /** The inside of the `server` section. */
  readonly server?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** "pipe" for an access log on standard output. */
  readonly stdout?: "ignore" | "inherit" | "pipe";
  /** Whom the folder belongs to, where that is not who runs the test. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** A command to run the gateway under, such as `["prlimit", "--nofile=100"]`. */
  readonly prefix?: readonly string[];
  /** What to run in place of `run -c FILE`. */
  readonly args?: readonly string[];
  /** A configuration file to run as it is, in its folder. */
  readonly example?: string;
}

/** A route for everything to one backend on that port; `more` is the inside of the route, as YAML flow. */
export function proxyTo(port: number, more = ""): string {
  return `backends: { origin: [{ host: 127.0.0.1, port: ${port} }] }\nrouting: { all: { upstream: origin, ${more} } }\n`;
}
