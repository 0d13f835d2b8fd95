// A steady load for tests: clients that ask again as soon as they have their answer. Runs in the test's process.

import { Agent, get } from "node:http";

/** What one request came to. */
export interface Answered {
  readonly status: number;
  readonly body: string;
}

/** `before` is called when a request goes out; what it returns comes back with the answer. */
export interface Client<Mark> {
  readonly path: string;
  /** One connection for all requests, or one for each. */
  readonly keepAlive: boolean;
  before(): Mark;
  after(answer: Answered, mark: Mark): void;
}

export class Load {
  /** Answers so far. */
  answers = 0;
  readonly #running: Promise<unknown>;
  readonly #agents: Agent[] = [];
  readonly #watchers = new Set<() => void>();
  #stopped = false;

  constructor(port: number, clients: readonly Client<unknown>[]) {
    this.#running = Promise.all(clients.map((client) => this.#run(port, client)));
    // The first failure ends the load; `more` and `stop` pass it on.
    this.#running.catch(() => this.#stop());
  }

  /** Resolves when so many more answers have come; rejects if a request has failed. */
  async more(count: number): Promise<void> {
    const wanted = this.answers + count;
    await new Promise<void>((resolve) => {
      const look = () => {
        if (this.answers < wanted && !this.#stopped) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
    });
    if (this.#stopped) await this.#running;
  }

  /** Resolves when the last answers have come; rejects if a request has failed. */
  async stop(): Promise<void> {
    this.#stop();
    try {
      await this.#running;
    } finally {
      for (const agent of this.#agents) agent.destroy();
    }
  }

  #stop(): void {
    this.#stopped = true;
    for (const watcher of this.#watchers) watcher();
  }

  async #run(port: number, { path, keepAlive, before, after }: Client<unknown>): Promise<void> {
    const agent = new Agent({ keepAlive, maxSockets: 1 });
    this.#agents.push(agent);
    while (!this.#stopped) {
      const mark = before();
      after(await ask(port, path, agent), mark);
      this.answers++;
      for (const watcher of this.#watchers) watcher();
    }
  }
}

function ask(port: number, path: string, agent: Agent): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const request = get({ port, host: "127.0.0.1", path, agent }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      response.on("end", () => resolve({ status: response.statusCode!, body }));
      response.on("error", reject);
    });
    request.on("error", reject);
  });
}
