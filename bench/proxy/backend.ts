// The origin behind a contestant: one nginx worker, pinned with the load. Each contestant has one to itself: four pools of
// 5,000 idle connections would be more than the open files of one process.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startNginx } from "../lib/nginx.ts";
import { freePort, type Server } from "../lib/server.ts";

export const SMALL_BODY = "Hello, world!";
export const LARGE_BYTES = 65_536;

export async function startBackend(folder: string, name: string, cores: string): Promise<Server> {
  const port = await freePort();
  writeFileSync(join(folder, "large"), "x".repeat(LARGE_BYTES));
  // What /seen answers is how verify.ts finds out what a contestant does to a request.
  // /upload must read the whole body before it answers, which `return` does not: so the body is taken by a proxy_pass
  // that sends none of it on.
  const http = `
  access_log off;
  default_type text/plain;
  open_file_cache max=10 inactive=1h;
  upstream itself { server 127.0.0.1:${port}; keepalive 1024; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    root ${folder};
    location = /small { return 200 "${SMALL_BODY}"; }
    location = /large { sendfile on; tcp_nopush on; }
    location = /seen { return 200 "$http_x_forwarded_for $http_x_forwarded_proto $http_x_forwarded_host $connection"; }
    location = /upload {
      client_max_body_size 1m;
      client_body_buffer_size 128k;
      proxy_method GET;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_set_header Connection "";
      proxy_http_version 1.1;
      proxy_pass http://itself/small;
    }
  }`;
  return startNginx(folder, http, { name, port, cores });
}
