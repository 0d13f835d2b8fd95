// One check of a backend, from its connection to the verdict. Control thread.
//
//   connect → PROXY header → TLS handshake → request → status → body        each where it is asked for

import { request } from "node:http";
import { connect, type Socket } from "node:net";
import type { Readable } from "node:stream";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { askGrpc, askHttp2 } from "./check-http2.ts";
import type { CheckTarget } from "./check-target.ts";

/** As much of a body is read. */
export const BODY_BYTES = 64 * 1024;
/** As much of it is told when it is not what was expected. */
const TOLD_BYTES = 60;

export interface CheckOutcome {
  /** Why it failed, or null. */
  readonly failure: string | null;
  /** From the start of the connection until it was clear. */
  readonly ms: number;
}

export class CheckAttempt {
  readonly #target: CheckTarget;
  readonly #done: (outcome: CheckOutcome) => void;
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout;
  readonly #tcp: Socket;
  /** The TLS socket over `#tcp`, where there is one. */
  #socket: Socket;
  #awaits: "connection" | "TLS handshake" | "answer" | "body" = "connection";
  /** When nothing that may still come could fail it. */
  #passedAt: number | null = null;
  #ended = false;

  /** Starts at once; `done` is called once, later, unless it is cancelled. */
  constructor(target: CheckTarget, done: (outcome: CheckOutcome) => void) {
    this.#target = target;
    this.#done = done;
    const { timeoutMs } = target.check;
    this.#timer = setTimeout(() => this.#end(`no ${this.#awaits} within ${timeoutMs} ms`), timeoutMs).unref();
    this.#tcp = connect({ ...target.place, noDelay: true });
    this.#socket = this.#tcp;
    this.#tcp.on("error", (error) => this.#fail(error));
    this.#tcp.once("connect", () => this.#connected());
  }

  /** Ends it without a verdict. */
  cancel(): void {
    this.#ended = true;
    this.#close();
  }

  #connected(): void {
    const { proxyHeader } = this.#target;
    if (proxyHeader !== null) this.#tcp.write(proxyHeader);
    try {
      const options = this.#target.tlsOptions;
      if (options === null) this.#ready();
      else {
        this.#awaits = "TLS handshake";
        this.#socket = connectTls({ ...options, socket: this.#tcp }, () => this.#ready());
        this.#socket.on("error", (error) => this.#fail(error));
      }
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #ready(): void {
    const { check } = this.#target;
    if (check.path === null && check.grpc === null) {
      this.#pass();
      this.#end(null);
      return;
    }
    this.#awaits = "answer";
    if (this.#target.protocol === "h2") this.#askHttp2();
    else this.#ask(check.path ?? "/");
  }

  #askHttp2(): void {
    const { check, authority, tlsOptions } = this.#target;
    if (tlsOptions !== null && (this.#socket as TLSSocket).alpnProtocol !== "h2") {
      this.#end("no HTTP/2: it did not agree to it (ALPN)");
      return;
    }
    const common = {
      scheme: tlsOptions === null ? "http" : "https",
      authority,
      onError: (error: Error) => this.#fail(error),
      onClose: () => this.#closed(),
    };
    if (check.grpc !== null) {
      askGrpc(this.#socket, {
        ...common,
        service: check.grpc,
        onVerdict: (failure) => {
          if (failure === null) this.#pass();
          this.#end(failure);
        },
      });
      return;
    }
    const onAnswer = (status: number, body: Readable) => this.#answered(status, body);
    askHttp2(this.#socket, { ...common, method: check.method, path: check.path ?? "/", onAnswer });
  }

  #ask(path: string): void {
    const { check, authority } = this.#target;
    // Without an agent: a connection of its own, and `Connection: close`.
    request({
      createConnection: () => this.#socket,
      method: check.method,
      path,
      setHost: false,
      headers: { host: authority, "user-agent": "sluice-health", accept: "*/*", connection: "close" },
    })
      .on("response", (response) => this.#answered(response.statusCode ?? 0, response))
      .on("error", (error) => this.#fail(error))
      .on("close", () => this.#closed())
      .end();
  }

  #answered(status: number, body: Readable): void {
    const { check, expectedStatus } = this.#target;
    if (!check.statuses.some(([from, to]) => status >= from && status <= to)) {
      this.#end(`expected status ${expectedStatus}, got ${status}`);
      return;
    }
    this.#awaits = "body";
    if (check.body === null) this.#pass();
    this.#readBody(body, check.body);
  }

  /** Also one that nobody asks for is read, as far as it is short: a reset would look like a fault to the backend. */
  #readBody(response: Readable, wanted: string | null): void {
    let bytes = 0;
    let beginning = Buffer.alloc(0);
    /** The end of what came, in which the text may have begun. */
    let tail = Buffer.alloc(0);
    const missing = () =>
      `expected ${JSON.stringify(wanted)} in the body, got ${JSON.stringify(beginning.toString())}${bytes > beginning.length ? "…" : ""}`;
    response.on("data", (whole: Buffer) => {
      const chunk = whole.subarray(0, BODY_BYTES - bytes);
      bytes += chunk.length;
      if (beginning.length < TOLD_BYTES)
        beginning = Buffer.concat([beginning, chunk]).subarray(0, TOLD_BYTES);
      if (wanted !== null && this.#passedAt === null) {
        const text = Buffer.concat([tail, chunk]);
        if (text.includes(wanted)) this.#pass();
        tail = text.subarray(Math.max(0, text.length - Buffer.byteLength(wanted) + 1));
      }
      if (bytes === BODY_BYTES) this.#end(missing());
    });
    response.on("end", () => this.#end(missing()));
    response.on("error", () => this.#closed());
  }

  #pass(): void {
    this.#passedAt = performance.now();
  }

  #closed(): void {
    const before = this.#awaits === "body" ? "before the end of the body" : "without an answer";
    this.#end(`connection closed ${before}`);
  }

  #fail(error: Error): void {
    const reason = reasonOf(error);
    this.#end(this.#awaits === "TLS handshake" ? `TLS: ${reason}` : reason);
  }

  #end(failure: string | null): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    const passed = this.#passedAt !== null;
    // With the good-bye of TLS, where all went well.
    if (passed) this.#socket.destroySoon();
    else this.#close();
    this.#done({
      failure: passed ? null : failure,
      ms: (this.#passedAt ?? performance.now()) - this.#startedAt,
    });
  }

  #close(): void {
    clearTimeout(this.#timer);
    this.#socket.destroy();
    this.#tcp.destroy();
  }
}

/** The words of an error of a connection, of TLS or of the HTTP parser. */
function reasonOf(error: NodeJS.ErrnoException & { readonly reason?: string }): string {
  const { code = "", reason, message } = error;
  if (code.startsWith("HPE_")) return `malformed answer: ${reason ?? message}`;
  if (message === "socket hang up") return "connection closed without an answer";
  return reason ?? (message || code);
}
