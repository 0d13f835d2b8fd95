// A backend of HTTP/2 that is `node:http2`, records every request, and answers as the test says. Runs in tests.

import { once } from "node:events";
import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type SecureServerOptions,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";

export interface SeenRequest {
  readonly stream: ServerHttp2Stream;
  /** Pseudo-header fields among them, in their order. */
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>;
}

export type Answer = (request: SeenRequest) => unknown;

export const ANSWERS_OK: Answer = ({ stream }) => {
  stream.respond({ ":status": 200 });
  stream.end("ok");
};

export class Http2Origin {
  requests: SeenRequest[] = [];
  readonly sessions: ServerHttp2Session[] = [];
  answer: Answer = ANSWERS_OK;
  readonly #server: Http2Server | Http2SecureServer;

  /** Over TLS with `options`. */
  static async start(options: SecureServerOptions | null = null): Promise<Http2Origin> {
    const origin = new Http2Origin(options === null ? createServer() : createSecureServer(options));
    origin.#server.listen(0, "127.0.0.1");
    await once(origin.#server, "listening");
    return origin;
  }

  private constructor(server: Http2Server | Http2SecureServer) {
    this.#server = server;
    server.on("session", (session: ServerHttp2Session) => this.sessions.push(session));
    server.on(
      "stream",
      (stream: ServerHttp2Stream, _fields: unknown, _flags: unknown, raw: readonly string[]) => {
        const fields: Array<[string, string]> = [];
        for (let i = 0; i < raw.length; i += 2) fields.push([raw[i]!, raw[i + 1]!]);
        const request = { stream, fields };
        stream.on("error", () => {});
        this.requests.push(request);
        this.answer(request);
      },
    );
    server.on("error", () => {});
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get only(): SeenRequest {
    if (this.requests.length !== 1) throw new Error(`${this.requests.length} requests: expected one`);
    return this.requests[0]!;
  }

  reset(): void {
    this.requests = [];
    this.answer = ANSWERS_OK;
  }

  valuesOf(name: string): string[] {
    return this.only.fields.filter(([own]) => own === name).map(([, value]) => value);
  }

  async stop(): Promise<void> {
    for (const session of this.sessions) session.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** All of a request's body, as latin1. */
export async function bodyOf({ stream }: SeenRequest): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("latin1");
}
