// The handler in nginx, in Lua (what OpenResty is) and in JavaScript (njs): one worker each, modules as Debian packages them.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startNginx } from "../lib/nginx.ts";
import type { Launch, Server } from "../lib/server.ts";

type Place = Pick<Launch, "name" | "port" | "cores">;

/** The body of a POST stays in memory. */
const LIMITS = "client_max_body_size 1m; client_body_buffer_size 64k;";

export function startLua(folder: string, launch: Place): Promise<Server> {
  const http = `
  access_log off;
  default_type application/json;
  ${LIMITS}
  init_by_lua_block {
    json = require "cjson.safe"
    function answer(value)
      local body = json.encode(value)
      ngx.header.content_length = #body
      ngx.print(body)
    end
  }
  server {
    listen 127.0.0.1:${launch.port} backlog=4096;
    location / {
      content_by_lua_block {
        if ngx.req.get_method() ~= "POST" then
          return answer({ hello = "world", path = ngx.var.uri })
        end
        ngx.req.read_body()
        answer(json.decode(ngx.req.get_body_data()))
      }
    }
  }`;
  return startNginx(folder, http, launch, ["ndk_http_module.so", "ngx_http_lua_module.so"]);
}

export function startNjs(folder: string, launch: Place): Promise<Server> {
  const file = join(folder, `${launch.name}.js`);
  writeFileSync(
    file,
    `export default { handle };

function handle(request) {
  request.headersOut["Content-Type"] = "application/json";
  const value =
    request.method === "POST" ? JSON.parse(request.requestText) : { hello: "world", path: request.uri };
  request.return(200, JSON.stringify(value));
}
`,
  );
  const http = `
  access_log off;
  ${LIMITS}
  js_import app from ${file};
  server {
    listen 127.0.0.1:${launch.port} backlog=4096;
    location / { js_content app.handle; }
  }`;
  return startNginx(folder, http, launch, ["ngx_http_js_module.so"]);
}
