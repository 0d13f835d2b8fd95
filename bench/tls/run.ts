// `node bench/tls/run.ts [--quick] [--without NAME] [--case TEXT]`: what a proxied request costs over TLS on connections
// that stay, beside nginx and HAProxy. A full run writes bench/results/tls.json and .md; another one only prints.

import assert from "node:assert/strict";
import { Agent, get } from "node:https";
import { text } from "node:stream/consumers";
import type { TLSSocket } from "node:tls";
import type { Certificate } from "../lib/certificate.ts";
import type { Server } from "../lib/server.ts";
import { runWrk } from "../lib/wrk.ts";
import { LARGE_BYTES, SMALL_BODY } from "../proxy/backend.ts";
import { compare, type TlsCase } from "./comparison.ts";
import { CIPHER } from "./contestants.ts";

const short = { streams: 1, rounds: 4, seconds: 1 };
const long = { streams: 1, rounds: 4, seconds: 2 };

/** About 4 minutes. */
const fullCases: readonly TlsCase[] = [
  // Long enough for the handshakes at its start to be little of it.
  { ...long, exchange: "GET 13 B", connections: 64, rounds: 6, seconds: 3 },
  { ...long, exchange: "GET 13 B", connections: 1 },
  { ...long, exchange: "GET 13 B", connections: 256 },
  { ...long, exchange: "GET 64 KB", connections: 64 },
  { ...long, exchange: "POST 64 KB", connections: 64 },
];

await compare({
  name: "tls",
  title: "TLS keep-alive: CPU per request",
  fullCases,
  quickCases: [
    { ...short, exchange: "GET 13 B", connections: 64 },
    { ...short, exchange: "GET 64 KB", connections: 64 },
  ],
  headline: "GET 13 B, 64 connections ",
  verdicts: [
    ["sluice", "nginx", "at most 1.6, target 1.2"],
    ["sluice", "haproxy", "for comparison"],
    ["nginx again", "nginx", "the control: 1 where nothing disturbs"],
  ],
  verify,
  run: (load) => runWrk(load),
});

/** Bodies arrive whole, the backend gets X-Forwarded-*, its connection and the client's are used again, TLS is the same. */
async function verify({ name, port }: Server, { cert }: Certificate): Promise<void> {
  const agent = new Agent({ ca: cert, keepAlive: true, maxSockets: 1 });
  const sockets = new Set<TLSSocket>();
  const ask = (path: string) =>
    new Promise<string>((resolve, reject) => {
      const sent = get({ agent, host: "127.0.0.1", port, path }, (response) => resolve(text(response)));
      sent.once("socket", (socket) => sockets.add(socket as TLSSocket)).once("error", reject);
    });
  assert.equal(await ask("/small"), SMALL_BODY, `${name}: small response`);
  assert.equal((await ask("/large")).length, LARGE_BYTES, `${name}: large response`);
  const first = await ask("/seen");
  assert.match(
    first,
    new RegExp(`^127\\.0\\.0\\.1 https 127\\.0\\.0\\.1:${port} \\d+$`),
    `${name}: X-Forwarded-*`,
  );
  assert.equal(await ask("/seen"), first, `${name}: the second request came on another connection`);
  const [socket, ...others] = sockets;
  assert.equal(others.length, 0, `${name}: the client needed another connection`);
  assert.equal(socket?.getProtocol(), "TLSv1.3", name);
  assert.equal(socket?.getCipher().name, CIPHER, name);
  agent.destroy();
}
