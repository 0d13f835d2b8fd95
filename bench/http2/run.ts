// `node bench/http2/run.ts [--quick] [--only NAME] [--without NAME] [--case TEXT]`: what a proxied request costs over HTTP/2
// and TLS, with a backend of HTTP/1.1, beside nginx and HAProxy. A full run writes bench/results/http2.json and .md.

import assert from "node:assert/strict";
import { type ClientHttp2Session, connect } from "node:http2";
import { text } from "node:stream/consumers";
import type { TLSSocket } from "node:tls";
import { makeCertificate } from "../lib/certificate.ts";
import { type Case, compare } from "../lib/comparison.ts";
import { runH2load } from "../lib/h2load.ts";
import { createScratchFolder } from "../lib/scratch.ts";
import type { Server } from "../lib/server.ts";
import { CONTROL } from "../lib/summary.ts";
import { LARGE_BYTES, SMALL_BODY } from "../proxy/backend.ts";
import { type ExchangeName, type Length, proxyCase } from "../proxy/cases.ts";
import { CIPHER, CONTESTANTS, REFERENCES, startContestant } from "../proxy/contestants.ts";

interface StreamsCase extends Case {
  /** Requests under way on each connection. */
  readonly streams: number;
}

const HEADLINE = "GET 13 B, 16 connections × 16 requests";
const short: Length = { rounds: 4, seconds: 1 };
const long: Length = { rounds: 4, seconds: 2 };

const folder = createScratchFolder();
const certificate = makeCertificate(folder);

await compare<StreamsCase>({
  name: "http2",
  title: "HTTP/2 over TLS: CPU per request",
  contestants: CONTESTANTS,
  references: REFERENCES,
  // V8 takes that long to compile what a request needs.
  warmUpSeconds: 5,
  // About 7 minutes.
  fullCases: [
    streamsCase("GET 13 B", 16, 16, { ...long, rounds: 16 }),
    streamsCase("GET 13 B", 1, 1, long),
    streamsCase("GET 13 B", 256, 1, long),
    streamsCase("GET 64 KB", 16, 4, long),
    streamsCase("POST 64 KB", 16, 4, long),
  ],
  quickCases: [
    streamsCase("GET 13 B", 16, 16, short),
    streamsCase("GET 64 KB", 16, 4, short),
    streamsCase("POST 64 KB", 16, 4, short),
  ],
  expectations: [
    { about: HEADLINE, contestant: "sluice", reference: "nginx", target: 1.5, floor: 2.5 },
    { about: HEADLINE, contestant: "sluice", reference: "haproxy", remark: "for comparison" },
    { about: HEADLINE, contestant: "nginx again", reference: "nginx", remark: CONTROL },
  ],
  start: (name, cores) => startContestant(name, { folder, certificate }, cores),
  verify,
  run: (load, { streams }) => runH2load({ ...load, streams, folder }),
});

function streamsCase(
  exchange: ExchangeName,
  connections: number,
  streams: number,
  length: Length,
): StreamsCase {
  const test = proxyCase(exchange, connections, length);
  return { ...test, title: `${test.title}${streams > 1 ? ` × ${streams} requests` : ""}`, streams };
}

/** Bodies arrive whole in both directions, the backend gets X-Forwarded-* on a connection that stays, TLS is the same. */
async function verify({ name, port }: Server): Promise<void> {
  const session = connect(`https://127.0.0.1:${port}`, { ca: certificate.cert });
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
