// Speaks with the debugger of a VM, for tests: the protocol of V8's inspector over a WebSocket.

interface Answer {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
}

export class Debugger {
  readonly #socket: WebSocket;
  readonly #received: Answer[] = [];
  #onMessage = () => {};
  #nextId = 1;

  static async attach(url: string): Promise<Debugger> {
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new Error(`no debugger at ${url}`));
    });
    return new Debugger(socket);
  }

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      this.#received.push(JSON.parse(String(data)) as Answer);
      this.#onMessage();
    };
  }

  /** Resolves when the command was answered. */
  async send(method: string, params: Record<string, unknown> = {}): Promise<void> {
    const id = this.#nextId++;
    this.#socket.send(JSON.stringify({ id, method, params }));
    await this.#first((answer) => answer.id === id);
  }

  /** The parameters of the first event of that name, now or later. */
  async event(method: string): Promise<Record<string, unknown>> {
    return (await this.#first((answer) => answer.method === method)).params ?? {};
  }

  close(): void {
    this.#socket.close();
  }

  async #first(fits: (answer: Answer) => boolean): Promise<Answer> {
    for (;;) {
      const found = this.#received.find(fits);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#onMessage = resolve;
      });
    }
  }
}
