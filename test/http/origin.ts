// A backend that reads every request with the strict reading, records it, and answers as the test says. Runs in tests.

import assert from "node:assert/strict";
import { RawBackend, type RawConnection } from "../support/raw.ts";
import { type Field, readChunked, readRequest, valuesOf } from "./strict-reading.ts";

export interface SeenRequest {
  readonly method: string;
  readonly target: string;
  readonly fields: readonly Field[];
  readonly body: string;
  readonly chunked: boolean;
  readonly trailers: readonly Field[];
  /** Index of the connection that it came on. */
  readonly connection: number;
}

export type Answer = (request: SeenRequest, connection: RawConnection) => string | null;

export const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** What follows is no longer HTTP. */
const SWITCHED = "HTTP/1.1 101 ";

export class Origin {
  /** Whole requests, in the order of their last bytes. */
  requests: SeenRequest[] = [];
  /** The bytes that answer a request; null when the test sends them itself. */
  answer: Answer = () => OK;
  readonly backend: RawBackend;

  static async start(): Promise<Origin> {
    const opened: { origin?: Origin } = {};
    const backend = await RawBackend.start((connection, index) => opened.origin!.#serve(connection, index));
    opened.origin = new Origin(backend);
    return opened.origin;
  }

  private constructor(backend: RawBackend) {
    this.backend = backend;
  }

  get port(): number {
    return this.backend.port;
  }

  /** Forgets the requests so far, and answers as at the start. */
  reset(): void {
    this.requests = [];
    this.answer = () => OK;
  }

  /** The one request since the last reset. */
  get only(): SeenRequest {
    assert.equal(this.requests.length, 1, JSON.stringify(this.requests));
    return this.requests[0]!;
  }

  /** The values of a field of the one request. */
  valuesOf(lowerName: string): string[] {
    return valuesOf(this.only.fields, lowerName);
  }

  async stop(): Promise<void> {
    await this.backend.stop();
  }

  #serve(connection: RawConnection, index: number): void {
    let used = 0;
    connection.socket.on("data", () => {
      for (;;) {
        const text = connection.text.slice(used);
        const request = wholeRequest(text, index);
        if (request === null) return;
        used = connection.text.length - request.rest.length;
        this.requests.push(request.seen);
        const answer = this.answer(request.seen, connection);
        if (answer !== null) connection.write(answer);
        if (answer?.startsWith(SWITCHED)) used = Number.POSITIVE_INFINITY;
      }
    });
  }
}

/** Null when more must come. Throws at what no gateway may send: the test process ends with it. */
function wholeRequest(text: string, connection: number): { seen: SeenRequest; rest: string } | null {
  if (!text.includes("\r\n\r\n")) return null;
  const head = readRequest(text);
  if (head === null) throw new Error(`the gateway sent a malformed request: ${JSON.stringify(text)}`);
  const { method, target, fields, framing, rest } = head;
  if (framing === "chunked") {
    const body = readChunked(rest);
    if (body === null) return null;
    const seen = {
      method,
      target,
      fields,
      body: body.data,
      chunked: true,
      trailers: body.trailers,
      connection,
    };
    return { seen, rest: body.rest };
  }
  assert.ok(typeof framing === "number");
  if (rest.length < framing) return null;
  const body = rest.slice(0, framing);
  const seen = { method, target, fields, body, chunked: false, trailers: [], connection };
  return { seen, rest: rest.slice(framing) };
}
