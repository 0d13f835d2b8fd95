// The other end of NOTIFY_SOCKET, as a service manager has it. Node has no such sockets, so Python listens. Runs in tests.

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

const PROGRAM = `
import json, socket, sys
name = sys.argv[1]
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind("\\0" + name[1:] if name[0] == "@" else name)
print(json.dumps("listening"), flush=True)
while True:
    # Descriptors that come along are closed at once, which is what BARRIER=1 waits for.
    print(json.dumps(receiver.recv(65536).decode()), flush=True)
`;

export class NotifyReceiver {
  readonly #child: ChildProcess;
  readonly #messages: string[] = [];
  #read = 0;
  #changed = Promise.withResolvers<void>();

  /** Resolves when it listens on `name`: a path, or `@` and an abstract name. */
  static async listen(name: string): Promise<NotifyReceiver> {
    const receiver = new NotifyReceiver(name);
    await receiver.next("listening");
    return receiver;
  }

  private constructor(name: string) {
    this.#child = spawn("python3", ["-c", PROGRAM, name], { stdio: ["ignore", "pipe", "inherit"] });
    createInterface({ input: this.#child.stdout! }).on("line", (line) => {
      this.#messages.push(JSON.parse(line) as string);
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    });
  }

  /** The next message as its assignments; it has to begin with `first`. */
  async next(first: string): Promise<readonly string[]> {
    for (;;) {
      const message = this.#messages[this.#read];
      if (message === undefined) {
        await this.#changed.promise;
        continue;
      }
      this.#read++;
      if (message.startsWith("BARRIER=")) continue;
      const assignments = message.trimEnd().split("\n");
      if (assignments[0] !== first) throw new Error(`expected ${first}, not ${message}`);
      return assignments;
    }
  }

  stop(): void {
    this.#child.kill("SIGKILL");
  }
}
