// The proxies that are compared, each set up for speed the way its users would, and all to the same end: one worker,
// upstream keep-alive, X-Forwarded-For, -Proto and -Host, bodies streamed and not written to disk; over TLS, where a
// benchmark wants it, the same certificate, TLS 1.3 with one cipher, HTTP/1.1 and HTTP/2 by ALPN.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Certificate } from "../lib/certificate.ts";
import type { Cores } from "../lib/cores.ts";
import { startNginx } from "../lib/nginx.ts";
import { freePort, type Server, startServer } from "../lib/server.ts";
import { startSluice } from "../lib/sluice.ts";
import { startBackend } from "./backend.ts";

export const CIPHER = "TLS_AES_128_GCM_SHA256";

export interface Setting {
  /** Unique within the folder: it names the server's files. */
  readonly name: string;
  readonly folder: string;
  readonly port: number;
  readonly backendPort: number;
  readonly cores: string;
  /** Null for no access log. */
  readonly accessLog: string | null;
  /** Null for plain HTTP/1.1. */
  readonly certificate: Certificate | null;
}

type Start = (setting: Setting) => Promise<Server>;

/** Name in tables → how to start it. The control is the reference once more: its ratio to itself shows the noise. */
const STARTS: Readonly<Record<string, Start>> = {
  sluice: (setting) => startSluiceProxy(setting),
  nginx: startNginxProxy,
  haproxy: startHaproxy,
  "nginx again": startNginxProxy,
};

export const CONTESTANTS = Object.keys(STARTS);
export const REFERENCES = ["nginx", "haproxy"] as const;

export interface Setup {
  readonly folder: string;
  readonly logged?: boolean;
  readonly certificate?: Certificate;
}

/** Starts it with a backend of its own, both stopped together. */
export async function startContestant(name: string, setup: Setup, cores: Cores): Promise<Server> {
  const start = STARTS[name];
  if (start === undefined) throw new Error(`Cannot start "${name}": expected ${CONTESTANTS.join(", ")}`);
  const { folder, logged = false, certificate = null } = setup;
  const fileName = `${name.replaceAll(" ", "-")}-${logged ? "logged" : "plain"}`;
  await using stack = new AsyncDisposableStack();
  const backend = stack.use(await startBackend(folder, `${fileName}-backend`, cores.load));
  const place = { port: await freePort(), backendPort: backend.port, cores: cores.server };
  const accessLog = logged ? accessLogOf(name, folder) : null;
  const server = stack.use(await start({ ...place, name: fileName, folder, accessLog, certificate }));
  const both = stack.move();
  return { ...server, name, [Symbol.asyncDispose]: () => both.disposeAsync() };
}

export function accessLogOf(name: string, folder: string): string {
  return join(folder, `${name.replaceAll(" ", "-")}.access.log`);
}

export function startSluiceProxy(setting: Setting, nodeOptions: readonly string[] = []): Promise<Server> {
  const { name, folder, port, backendPort, cores, accessLog, certificate } = setting;
  const ssl =
    certificate === null
      ? ""
      : `ssl:
  enabled: true
  cert_file: ${certificate.certFile}
  key_file: ${certificate.keyFile}
  min_version: "1.3"
  ciphers: [${CIPHER}]
`;
  const config = `server: { host: 127.0.0.1, port: ${port}, workers: 1, max_conn: 9000, keep_alive_timeout: 1h }
${ssl}backends:
  origin: [{ host: 127.0.0.1, port: ${backendPort}, max_conn: 9000 }]
routing:
  all: { path: /, upstream: origin }
admin: { port: 0, open: true }
timeouts: { backend_keep_alive: 1h }
access_log: ${accessLog === null ? "{ enabled: false }" : `{ path: ${accessLog}, format: combined }`}
`;
  return startSluice(folder, config, { name, port, cores }, nodeOptions);
}

function startNginxProxy(setting: Setting): Promise<Server> {
  const { name, folder, port, backendPort, cores, accessLog, certificate } = setting;
  const ssl =
    certificate === null
      ? ""
      : `ssl_certificate ${certificate.certFile};
    ssl_certificate_key ${certificate.keyFile};
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites ${CIPHER};`;
  const http = `
  access_log ${accessLog === null ? "off" : `${accessLog} combined buffer=64k flush=1s`};
  upstream origin {
    server 127.0.0.1:${backendPort};
    keepalive 8192;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
  }
  server {
    listen 127.0.0.1:${port} ${certificate === null ? "" : "ssl http2"} backlog=4096;
    ${ssl}
    location / {
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_request_buffering off;
      proxy_buffers 8 16k;
      proxy_max_temp_file_size 0;
      proxy_pass http://origin;
    }
  }`;
  return startNginx(folder, http, { name, port, cores });
}

/** HAProxy writes its access log to standard output, or to a syslog server: the file is its output here. */
function startHaproxy(setting: Setting): Promise<Server> {
  const { name, folder, port, backendPort, cores, accessLog, certificate } = setting;
  const ssl =
    certificate === null
      ? ""
      : `ssl crt ${certificate.bothFile} alpn h2,http/1.1 ssl-min-ver TLSv1.3 ciphersuites ${CIPHER}`;
  const file = join(folder, `${name}.cfg`);
  const config = `global
  nbthread 1
  maxconn 9000
  tune.pool-high-fd-ratio 95
  tune.pool-low-fd-ratio 90
  ${accessLog === null ? "" : "log stdout format raw local0 info"}
defaults
  mode http
  timeout connect 5s
  timeout client 3600s
  timeout server 3600s
  timeout http-keep-alive 3600s
  option http-keep-alive
  ${accessLog === null ? "" : "log global\n  option httplog"}
frontend clients
  bind 127.0.0.1:${port} ${ssl} backlog 4096
  option forwardfor
  http-request set-header X-Forwarded-Proto ${certificate === null ? "http" : "https"}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  default_backend origin
backend origin
  http-reuse always
  server origin 127.0.0.1:${backendPort} pool-purge-delay 3600s
`;
  writeFileSync(file, config);
  const outputPath = accessLog ?? join(folder, `${name}.log`);
  return startServer({ name, port, cores, outputPath, command: ["haproxy", "-db", "-f", file] });
}
