// A client of node:http2 for tests: whole requests and what came back. Runs in the test process.

import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions,
  type Settings,
} from "node:http2";
import { text } from "node:stream/consumers";

export interface Answer {
  readonly status: number;
  /** In lower case; what came twice is joined. */
  readonly fields: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  readonly trailers: Readonly<Record<string, string | string[] | undefined>> | null;
}

/** Connects with prior knowledge, or by TLS where `tls` has something for it. */
export async function openSession(
  port: number,
  tls: SecureClientSessionOptions = {},
  settings: Settings = {},
): Promise<ClientHttp2Session> {
  const origin = tls.ca === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`;
  const session = connect(origin, { ...tls, settings });
  // A session that ends badly says so at its streams.
  session.on("error", () => {});
  await once(session, "connect");
  return session;
}

/** Resolves with a whole answer; rejects when the stream is reset, or the session ends. */
export async function ask(
  session: ClientHttp2Session,
  fields: OutgoingHttpHeaders,
  body: string | Buffer | null = null,
): Promise<Answer> {
  const stream = session.request(fields, { endStream: body === null });
  if (body !== null) stream.end(body);
  return await answerOf(stream);
}

export async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  let trailers: Answer["trailers"] = null;
  stream.on("trailers", (came) => {
    trailers = came as NonNullable<Answer["trailers"]>;
  });
  // One that is closed without an answer may do so without an error.
  const closed = once(stream, "close").then(() => Promise.reject(new Error("the stream was closed")));
  const [[fields], body] = await Promise.race([
    Promise.all([once(stream, "response"), text(stream)]),
    closed,
  ]);
  return { status: fields[":status"], fields, body, trailers };
}
