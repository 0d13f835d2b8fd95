// The section `server`: where the gateway listens and what it allows to a connection. Runs anywhere.

import { z } from "zod";
import { RUN_AS } from "../run-as.ts";
import { cidr, duration, freeFieldName, host, size, textLike, truth, wholeNumber } from "../values.ts";
import { listenerSsl } from "./ssl.ts";

const MOST = Number.MAX_SAFE_INTEGER;

const listener = z.strictObject({
  host: host().describe("Address or name to listen on."),
  port: wholeNumber(0, 65535).describe("Port to listen on; 0 for any that is free."),
  backlog: wholeNumber(1, 65535).optional().describe("As `server.backlog`, for this listener."),
  proxy_protocol: truth().optional().describe("As `server.proxy_protocol`, for this listener."),
  h2c: truth().optional().describe("As `server.h2c`, for this listener."),
  tls: truth().optional().describe("Whether this listener speaks TLS. Without it, as `ssl.enabled` says."),
  ssl: listenerSsl.optional(),
});

const http2 = z
  .strictObject({
    enabled: truth().prefault(true).describe("Offers HTTP/2 on listeners that speak TLS (ALPN `h2`)."),
    max_concurrent_streams: wholeNumber(1, 65_535)
      .prefault(128)
      .describe("Requests that one connection may have under way."),
    stream_window: size(16_384, 16_777_216)
      .prefault("64kb")
      .describe("What a client may send of one request body before a backend took it."),
    max_resets: wholeNumber(1, 1_000_000)
      .prefault(200)
      .describe("Requests that a client may break off within 10 s. One more, and its connection is closed."),
  })
  .describe("HTTP/2 towards clients (docs/http2.md).");

export const server = z
  .strictObject({
    host: host().prefault("0.0.0.0").describe("Address or name to listen on."),
    port: wholeNumber(0, 65535).prefault(8080).describe("Port to listen on; 0 for any that is free."),
    listeners: z
      .array(listener)
      .min(1, { error: "expected at least one listener" })
      .optional()
      .describe("Several addresses to listen on, instead of `host` and `port`."),
    backlog: wholeNumber(1, 65535)
      .prefault(4096)
      .describe(
        "Connections that wait to be accepted, per listener. The system may cap it (`net.core.somaxconn`).",
      ),
    proxy_protocol: truth()
      .prefault(false)
      .describe(
        "Every connection begins with a PROXY protocol header (v1 or v2) that names the client; one without is refused.",
      ),
    h2c: truth()
      .prefault(false)
      .describe(
        "Plain listeners take HTTP/2 too, from clients that begin with it (prior knowledge). HTTP/1.1 goes on as before.",
      ),
    http2: http2.prefault({}),
    workers: z
      .union([wholeNumber(1, 1024), z.literal("auto")], {
        error: 'expected a whole number from 1 to 1024, or "auto"',
      })
      .prefault("auto")
      .describe(
        "Data threads. `auto` is one for each CPU that the process may use. A change needs a restart.",
      ),
    reuse_port: truth()
      .prefault(false)
      .describe("Shares the port with other gateway processes (Linux). A change needs a restart."),
    run_as: textLike(RUN_AS, 'expected a user, or a user and a group, such as "www-data:www-data"')
      .optional()
      .describe(
        "User, or `user:group`, that a gateway started as root goes on as once its ports are open (docs/running.md). A change needs a restart.",
      ),
    read_timeout: duration("above 0")
      .prefault("30s")
      .describe(
        "A request head must arrive within this time. It is also the window of `limits.min_body_rate`.",
      ),
    write_timeout: duration("above 0")
      .prefault("30s")
      .describe("A client that takes nothing of its response for this long is disconnected."),
    keep_alive_timeout: duration("above 0")
      .prefault("75s")
      .describe("A connection without a request is closed after this time."),
    shutdown_timeout: duration("or 0")
      .prefault("30s")
      .describe("Exchanges that are under way may take this long to finish when the gateway stops."),
    max_conn: wholeNumber(1, MOST)
      .optional()
      .describe(
        "Client connections over all data threads. Without it, as many as the open-file limit allows.",
      ),
    max_conn_per_client: wholeNumber(1, MOST)
      .optional()
      .describe("Connections of one client address over all data threads. Without it, no limit."),
    real_ip_header: freeFieldName()
      .optional()
      .describe(
        "Field in which backends get the client's address (`X-Real-IP` without this). Where it is set, a trusted proxy that sends it is believed before its X-Forwarded-For.",
      ),
    trusted_proxies: z
      .array(cidr())
      .prefault([])
      .describe(
        "Addresses and ranges whose X-Forwarded-For, -Proto, -Host, Forwarded and `real_ip_header` are believed.",
      ),
  })
  .describe("Where the gateway listens, and what it allows to a connection.");
