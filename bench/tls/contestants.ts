// The proxies that are compared over TLS, set up as in bench/proxy, and all to the same end: the same certificate, TLS 1.3
// with one cipher, HTTP/1.1 and HTTP/2 by ALPN, HTTP/1.1 to the backend.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Certificate } from "../lib/certificate.ts";
import type { Cores } from "../lib/cores.ts";
import { startNginx } from "../lib/nginx.ts";
import { freePort, type Server, startServer } from "../lib/server.ts";
import { startSluice } from "../lib/sluice.ts";
import { startBackend } from "../proxy/backend.ts";

export const CIPHER = "TLS_AES_128_GCM_SHA256";

interface Setting {
  /** Unique within the folder: it names the server's files. */
  readonly name: string;
  readonly folder: string;
  readonly port: number;
  readonly backendPort: number;
  readonly cores: string;
  readonly certificate: Certificate;
}

/** Name in tables → how to start it. The control is the reference once more: its ratio to itself shows the noise. */
export const CONTESTANTS: Readonly<Record<string, (setting: Setting) => Promise<Server>>> = {
  sluice: startSluiceTls,
  nginx: startNginxTls,
  haproxy: startHaproxyTls,
  "nginx again": startNginxTls,
};

/** Starts it with a backend of its own, both stopped together. */
export async function startContestant(
  name: string,
  folder: string,
  cores: Cores,
  certificate: Certificate,
): Promise<Server> {
  const start = CONTESTANTS[name];
  if (start === undefined) throw new Error(`Cannot start "${name}": expected ${Object.keys(CONTESTANTS)}`);
  const fileName = name.replaceAll(" ", "-");
  await using stack = new AsyncDisposableStack();
  const backend = stack.use(await startBackend(folder, `${fileName}-backend`, cores.load));
  const place = { port: await freePort(), backendPort: backend.port, cores: cores.server };
  const server = stack.use(await start({ ...place, name: fileName, folder, certificate }));
  const both = stack.move();
  return { ...server, name, [Symbol.asyncDispose]: () => both.disposeAsync() };
}

function startSluiceTls({ name, folder, port, backendPort, cores, certificate }: Setting): Promise<Server> {
  const config = `server: { host: 127.0.0.1, port: ${port}, workers: 1, max_conn: 9000, keep_alive_timeout: 1h }
ssl:
  enabled: true
  cert_file: ${certificate.certFile}
  key_file: ${certificate.keyFile}
  min_version: "1.3"
  ciphers: [${CIPHER}]
backends:
  origin: [{ host: 127.0.0.1, port: ${backendPort}, max_conn: 9000 }]
routing:
  all: { path: /, upstream: origin }
admin: { port: 0, open: true }
timeouts: { backend_keep_alive: 1h }
`;
  return startSluice(folder, config, { name, port, cores });
}

function startNginxTls({ name, folder, port, backendPort, cores, certificate }: Setting): Promise<Server> {
  const http = `
  access_log off;
  upstream origin {
    server 127.0.0.1:${backendPort};
    keepalive 8192;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
  }
  server {
    listen 127.0.0.1:${port} ssl http2 backlog=4096;
    ssl_certificate ${certificate.certFile};
    ssl_certificate_key ${certificate.keyFile};
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites ${CIPHER};
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

function startHaproxyTls({ name, folder, port, backendPort, cores, certificate }: Setting): Promise<Server> {
  const file = join(folder, `${name}.cfg`);
  const config = `global
  nbthread 1
  maxconn 9000
  tune.pool-high-fd-ratio 95
  tune.pool-low-fd-ratio 90
defaults
  mode http
  timeout connect 5s
  timeout client 3600s
  timeout server 3600s
  timeout http-keep-alive 3600s
  option http-keep-alive
frontend clients
  bind 127.0.0.1:${port} ssl crt ${certificate.bothFile} alpn h2,http/1.1 ssl-min-ver TLSv1.3 ciphersuites ${CIPHER} backlog 4096
  option forwardfor
  http-request set-header X-Forwarded-Proto https
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  default_backend origin
backend origin
  http-reuse always
  server origin 127.0.0.1:${backendPort} pool-purge-delay 3600s
`;
  writeFileSync(file, config);
  const outputPath = join(folder, `${name}.log`);
  return startServer({ name, port, cores, outputPath, command: ["haproxy", "-db", "-f", file] });
}
