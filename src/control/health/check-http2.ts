// The request of a check over HTTP/2, on a connection that is made. Control thread.

import { connect } from "node:http2";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";

export interface Http2Check {
  readonly method: string;
  readonly scheme: string;
  readonly authority: string;
  readonly path: string;
  /** The answer began; its body may be read. */
  onAnswer(status: number, body: Readable): void;
  onError(error: Error): void;
  /** Follows everything. */
  onClose(): void;
}

/** Of a response to a check; one that is larger fails it. */
const OPTIONS = { settings: { enablePush: false }, maxHeaderListPairs: 256, strictSingleValueFields: false };

export function askHttp2(socket: Socket, check: Http2Check): void {
  const session = connect("http://localhost", { ...OPTIONS, createConnection: () => socket });
  session.on("error", (error) => check.onError(error));
  const { method, scheme, authority, path } = check;
  const head = [":method", method, ":scheme", scheme, ":authority", authority, ":path", path];
  const stream = session.request([...head, "user-agent", "sluice-health", "accept", "*/*"], {
    endStream: true,
  });
  stream.on("response", (fields) => check.onAnswer(fields[":status"] ?? 0, stream));
  stream.on("error", (error) => check.onError(error));
  stream.on("close", () => check.onClose());
}
