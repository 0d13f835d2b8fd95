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

export interface GrpcCheck {
  readonly scheme: string;
  readonly authority: string;
  /** Empty for the whole server. */
  readonly service: string;
  /** Why it failed, or null. */
  onVerdict(failure: string | null): void;
  onError(error: Error): void;
  onClose(): void;
}

/** Of HealthCheckResponse (grpc.health.v1), by number. */
const SERVING_STATUSES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const SERVING = 1;
/** As much of an answer is read: five bytes before the message, and a message of one small field. */
const ANSWER_BYTES = 1024;

/** `grpc.health.v1.Health/Check` (github.com/grpc/grpc/blob/master/doc/health-checking.md). */
export function askGrpc(socket: Socket, check: GrpcCheck): void {
  const session = connect("http://localhost", { ...OPTIONS, createConnection: () => socket });
  session.on("error", (error) => check.onError(error));
  const head = [":method", "POST", ":scheme", check.scheme, ":authority", check.authority];
  head.push(":path", "/grpc.health.v1.Health/Check", "te", "trailers", "content-type", "application/grpc");
  const stream = session.request([...head, "user-agent", "sluice-health"], { endStream: false });
  let status: string | undefined;
  let grpcStatus: string | undefined;
  let answer = Buffer.alloc(0);
  stream.on("response", (fields) => {
    status = String(fields[":status"]);
    grpcStatus = fields["grpc-status"] as string | undefined;
  });
  stream.on("trailers", (fields) => {
    grpcStatus = fields["grpc-status"] as string | undefined;
  });
  stream.on("data", (chunk: Buffer) => {
    answer = Buffer.concat([answer, chunk]).subarray(0, ANSWER_BYTES);
  });
  stream.on("end", () => {
    if (status === undefined) return;
    check.onVerdict(grpcFailure(status, grpcStatus, answer));
  });
  stream.on("error", (error) => check.onError(error));
  stream.on("close", () => check.onClose());
  stream.end(grpcRequest(check.service));
}

/** A message that is not compressed, with one field: `service`. A name is below 128 bytes. */
function grpcRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const message = service === "" ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  return Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
}

function grpcFailure(status: string, grpcStatus: string | undefined, answer: Buffer): string | null {
  if (status !== "200") return `expected status 200, got ${status}`;
  if (grpcStatus !== "0") return `expected grpc-status 0, got ${grpcStatus ?? "none"}`;
  // The field may be left out where it is 0.
  const serving = answer[5] === 0x08 ? (answer[6] ?? 0) : 0;
  return serving === SERVING
    ? null
    : `expected SERVING, got ${SERVING_STATUSES[serving] ?? `status ${serving}`}`;
}

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
