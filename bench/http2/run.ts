// `node bench/http2/run.ts [--quick] [--without NAME] [--case TEXT]`: what a proxied request costs over HTTP/2 and TLS,
// with a backend of HTTP/1.1, beside nginx and HAProxy. A full run writes bench/results/http2.json and .md.

import assert from "node:assert/strict";
import { type ClientHttp2Session, connect } from "node:http2";
import { text } from "node:stream/consumers";
import type { TLSSocket } from "node:tls";
import type { Certificate } from "../lib/certificate.ts";
import { runH2load } from "../lib/h2load.ts";
import type { Server } from "../lib/server.ts";
import { LARGE_BYTES, SMALL_BODY } from "../proxy/backend.ts";
import { compare, type TlsCase } from "../tls/comparison.ts";
import { CIPHER } from "../tls/contestants.ts";

const short = { rounds: 4, seconds: 1 };
const long = { rounds: 4, seconds: 2 };

/** About 6 minutes. */
const fullCases: readonly TlsCase[] = [
  { ...long, exchange: "GET 13 B", connections: 16, streams: 16, rounds: 16 },
  { ...long, exchange: "GET 13 B", connections: 1, streams: 1 },
  { ...long, exchange: "GET 13 B", connections: 256, streams: 1 },
  { ...long, exchange: "GET 64 KB", connections: 16, streams: 4 },
  { ...long, exchange: "POST 64 KB", connections: 16, streams: 4 },
];

await compare({
  name: "http2",
  title: "HTTP/2 over TLS: CPU per request",
  fullCases,
  quickCases: [
    { ...short, exchange: "GET 13 B", connections: 16, streams: 16 },
    { ...short, exchange: "GET 64 KB", connections: 16, streams: 4 },
    { ...short, exchange: "POST 64 KB", connections: 16, streams: 4 },
  ],
  headline: "GET 13 B, 16 connections × 16 ",
  verdicts: [
    ["sluice", "nginx", "at most 2.5, target 1.5"],
    ["sluice", "haproxy", "for comparison"],
    ["nginx again", "nginx", "the control: 1 where nothing disturbs"],
  ],
  verify,
  run: (load, streams, folder) => runH2load({ ...load, streams, folder }),
});

/** Bodies arrive whole in both directions, the backend gets X-Forwarded-* on a connection that stays, TLS is the same. */
async function verify({ name, port }: Server, { cert }: Certificate): Promise<void> {
  const session = connect(`https://127.0.0.1:${port}`, { ca: cert });
  assert.equal(await ask(session, "/small"), SMALL_BODY, `${name}: small response`);
  assert.equal((await ask(session, "/large")).length, LARGE_BYTES, `${name}: large response`);
  assert.equal(await ask(session, "/upload", "x".repeat(LARGE_BYTES)), SMALL_BODY, `${name}: upload`);
  const first = await ask(session, "/seen");
  assert.match(
    first,
    new RegExp(`^127\\.0\\.0\\.1 https 127\\.0\\.0\\.1:${port} \\d+$`),
    `${name}: X-Forwarded-*`,
  );
  assert.equal(await ask(session, "/seen"), first, `${name}: the second request came on another connection`);
  assert.equal(session.alpnProtocol, "h2", name);
  const socket = session.socket as TLSSocket;
  assert.equal(socket.getProtocol(), "TLSv1.3", name);
  assert.equal(socket.getCipher().name, CIPHER, name);
  session.destroy();
}

async function ask(session: ClientHttp2Session, path: string, body?: string): Promise<string> {
  const stream = session.request({ ":path": path, ":method": body === undefined ? "GET" : "POST" });
  stream.end(body);
  return await text(stream);
}
