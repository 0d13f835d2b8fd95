// `node bench/tls/run.ts [--quick] [--only NAME] [--without NAME] [--case TEXT]`: what a proxied request costs over TLS on connections
// that stay, beside nginx and HAProxy. A full run writes bench/results/tls.json and .md; another one only prints.

import assert from "node:assert/strict";
import { Agent, get } from "node:https";
import { text } from "node:stream/consumers";
import type { TLSSocket } from "node:tls";
import { makeCertificate } from "../lib/certificate.ts";
import { compare } from "../lib/comparison.ts";
import { createScratchFolder } from "../lib/scratch.ts";
import type { Server } from "../lib/server.ts";
import { CONTROL } from "../lib/summary.ts";
import { runWrk } from "../lib/wrk.ts";
import { LARGE_BYTES, SMALL_BODY } from "../proxy/backend.ts";
import { type Length, proxyCase } from "../proxy/cases.ts";
import { CIPHER, CONTESTANTS, REFERENCES, startContestant } from "../proxy/contestants.ts";

const HEADLINE = "GET 13 B, 64 connections";
const short: Length = { rounds: 4, seconds: 1 };
const long: Length = { rounds: 4, seconds: 2 };

const folder = createScratchFolder();
const certificate = makeCertificate(folder);

await compare({
  name: "tls",
  title: "TLS keep-alive: CPU per request",
  contestants: CONTESTANTS,
  references: REFERENCES,
  // V8 takes that long to compile what a request needs.
  warmUpSeconds: 5,
  // About 5 minutes. The first is long enough for the handshakes at its start to be little of it.
  fullCases: [
    proxyCase("GET 13 B", 64, { rounds: 6, seconds: 3 }),
    proxyCase("GET 13 B", 1, long),
    proxyCase("GET 13 B", 256, long),
    proxyCase("GET 64 KB", 64, long),
    proxyCase("POST 64 KB", 64, long),
  ],
  quickCases: [proxyCase("GET 13 B", 64, short), proxyCase("GET 64 KB", 64, short)],
  expectations: [
    { about: HEADLINE, contestant: "sluice", reference: "nginx", target: 1.2, floor: 1.6 },
    { about: HEADLINE, contestant: "sluice", reference: "haproxy", remark: "for comparison" },
    { about: HEADLINE, contestant: "nginx again", reference: "nginx", remark: CONTROL },
  ],
  start: (name, cores) => startContestant(name, { folder, certificate }, cores),
  verify,
  run: (load) => runWrk({ ...load, scheme: "https" }),
});

/** Bodies arrive whole, the backend gets X-Forwarded-*, its connection and the client's are used again, TLS is the same. */
async function verify({ name, port }: Server): Promise<void> {
  const agent = new Agent({ ca: certificate.cert, keepAlive: true, maxSockets: 1 });
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
