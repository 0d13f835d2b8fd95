// Sockets that say exactly what a test tells them: a client, and a backend that records what it gets.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** One end of a connection. All that came in stays in `received`. */
export class RawConnection {
  readonly socket: Socket;
  readonly #pieces: Buffer[] = [];
  /** Bytes in `received`. */
  length = 0;
  /** The other side sent FIN. */
  ended = false;
  /** The connection is gone; `error` says how, if it was reset. */
  closed = false;
  error: NodeJS.ErrnoException | null = null;
  readonly #watchers = new Set<() => void>();

  /** Connects to a port of this machine. */
  static async connect(port: number, host = "127.0.0.1"): Promise<RawConnection> {
    const socket = connect({ port, host, allowHalfOpen: true, noDelay: true });
    await once(socket, "connect");
    return new RawConnection(socket);
  }

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#pieces.push(chunk);
      this.length += chunk.length;
      this.#changed();
    });
    socket.on("end", () => {
      this.ended = true;
      this.#changed();
    });
    socket.on("error", (error) => {
      this.error = error;
    });
    socket.on("close", () => {
      this.closed = true;
      this.#changed();
    });
  }

  get received(): Buffer {
    if (this.#pieces.length !== 1) this.#pieces.splice(0, Infinity, Buffer.concat(this.#pieces));
    return this.#pieces[0]!;
  }

  set received(bytes: Buffer) {
    this.#pieces.splice(0, Infinity, bytes);
    this.length = bytes.length;
  }

  /** As latin1. */
  get text(): string {
    return this.received.toString("latin1");
  }

  /** Text goes out as latin1. */
  write(data: string | Buffer): void {
    this.socket.write(typeof data === "string" ? Buffer.from(data, "latin1") : data);
  }

  /** Resolves with all that was received when it has `what` (or fits it); rejects if the connection ends without. */
  async until(what: string | RegExp): Promise<string> {
    await this.#when(
      () => (typeof what === "string" ? this.text.includes(what) : what.test(this.text)),
      String(what),
    );
    return this.text;
  }

  /** Resolves with all that was received when at least so many bytes are there. */
  async untilBytes(count: number): Promise<Buffer> {
    await this.#when(() => this.length >= count, `${count} bytes`);
    return this.received;
  }

  /** Resolves with all that was received when the other side has ended or reset the connection. */
  async untilEnd(): Promise<string> {
    await new Promise<void>((resolve) => this.#watch(() => this.ended || this.closed, resolve));
    return this.text;
  }

  /** Resolves with how the other side left: it sent FIN, or it reset the connection. */
  async untilGone(): Promise<"ended" | "reset"> {
    await this.untilEnd();
    return this.ended ? "ended" : "reset";
  }

  /** Forgets what was received, and returns it. */
  take(): string {
    const text = this.text;
    this.received = Buffer.alloc(0);
    return text;
  }

  destroy(): void {
    this.socket.destroy();
  }

  #when(done: () => boolean, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#watch(
        () => done() || this.ended || this.closed,
        () => {
          if (done()) resolve();
          else
            reject(new Error(`the connection ended without ${what}; received ${JSON.stringify(this.text)}`));
        },
      );
    });
  }

  #watch(done: () => boolean, callback: () => void): void {
    const look = () => {
      if (!done()) return;
      this.#watchers.delete(look);
      callback();
    };
    this.#watchers.add(look);
    look();
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher();
  }
}

/** A backend whose every byte the test decides. */
export class RawBackend {
  /** In the order accepted. */
  readonly connections: RawConnection[] = [];
  readonly #server: Server;

  /** `serve` is called with each new connection. */
  static async start(serve: (connection: RawConnection, index: number) => unknown): Promise<RawBackend> {
    const backend = new RawBackend(serve);
    backend.#server.listen(0, "127.0.0.1");
    await once(backend.#server, "listening");
    return backend;
  }

  private constructor(serve: (connection: RawConnection, index: number) => unknown) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const connection = new RawConnection(socket);
      this.connections.push(connection);
      serve(connection, this.connections.length - 1);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resolves with the connection of that index, now or when it was accepted. */
  async connection(index: number): Promise<RawConnection> {
    while (this.connections.length <= index) await once(this.#server, "connection");
    return this.connections[index]!;
  }

  /** All bytes of all connections, in the order of the connections, as latin1. */
  get text(): string {
    return this.connections.map((connection) => connection.text).join("");
  }

  async stop(): Promise<void> {
    for (const connection of this.connections) connection.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** Answers each request head of a connection with the same bytes; requests with bodies need a `serve` of their own. */
export function answering(response: string): (connection: RawConnection) => void {
  return (connection) => {
    let answered = 0;
    connection.socket.on("data", () => {
      const heads = connection.text.split("\r\n\r\n").length - 1;
      for (; answered < heads; answered++) connection.write(response);
    });
  };
}
