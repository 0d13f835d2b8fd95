// The configuration file: every key with its kind of value, its default and what it means. docs/configuration.md and
// docs/sluice.schema.json are made from it (tools/config-reference.ts). Runs anywhere.

import { z } from "zod";
import {
  choice,
  cidr,
  duration,
  fieldName,
  fieldValue,
  freeFieldName,
  host,
  hostPattern,
  location,
  method,
  oneOrMore,
  path,
  pathPattern,
  pathTemplate,
  responseFieldName,
  size,
  text,
  truth,
  wholeNumber,
} from "./values.ts";

const MOST = Number.MAX_SAFE_INTEGER;

/** Balancers that choose; the others of `BALANCERS` are accepted and `weight` chooses in their place. */
export const WORKING_BALANCERS = ["round_robin", "weight"] as const;
const BALANCERS = [
  ...WORKING_BALANCERS,
  "random",
  "two_choices",
  "least_connections",
  "least_connections_weight",
  "least_time",
  "ip_hash",
  "consistent_hash",
  "sticky",
  "performance_least_connections_weight",
] as const;

function balancer() {
  return choice(BALANCERS).meta({ title: "balancer" });
}

const listener = z.strictObject({
  host: host().describe("Address or name to listen on."),
  port: wholeNumber(0, 65535).describe("Port to listen on; 0 for any that is free."),
  backlog: wholeNumber(1, 65535).optional().describe("As `server.backlog`, for this listener."),
});

const server = z
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
    real_ip_header: freeFieldName()
      .prefault("X-Real-IP")
      .describe("Field in which a trusted proxy names the client's address, and in which backends get it."),
    trusted_proxies: z
      .array(cidr())
      .prefault([])
      .describe(
        "Addresses and ranges whose X-Forwarded-For, -Proto, -Host and `real_ip_header` are believed.",
      ),
  })
  .describe("Where the gateway listens, and what it allows to a connection.");

const ssl = z
  .strictObject({
    enabled: truth().prefault(false).describe("TLS is not available yet: `true` is refused."),
    cert_file: text().optional().describe("Certificate chain (PEM). Not yet in effect."),
    key_file: text().optional().describe("Private key (PEM). Not yet in effect."),
  })
  .describe("TLS towards clients.");

const healthCheck = z
  .strictObject({
    path: path().prefault("/").describe("Path that is asked for."),
    interval: duration("above 0").prefault("30s").describe("Time between two checks."),
    timeout: duration("above 0").prefault("5s").describe("A check that takes longer has failed."),
    failures: wholeNumber(1, 1000).prefault(3).describe("Failed checks in a row that take the backend out."),
    successes: wholeNumber(1, 1000).prefault(1).describe("Passed checks in a row that bring it back."),
  })
  .describe("Active health checks of a backend. Not yet in effect.");

const backend = z
  .strictObject({
    id: text().optional().describe("Name within the upstream. Without it, `<upstream>-<host>-<port>`."),
    name: text().optional().describe("Text for people."),
    host: host().optional().describe("Address or name to connect to. Needed unless there is a `socket`."),
    port: wholeNumber(1, 65535).optional().describe("Port to connect to. Needed unless there is a `socket`."),
    socket: text().optional().describe("Path of a unix socket, instead of `host` and `port`."),
    weight: wholeNumber(1, 65535).prefault(100).describe("Share of the exchanges, beside the other weights."),
    scheme: choice(["http", "https"])
      .prefault("http")
      .describe("TLS to backends is not available yet: `https` is refused."),
    active: truth()
      .prefault(true)
      .describe("`false` keeps the backend in the file, but sends nothing to it."),
    max_conn: wholeNumber(1, MOST).prefault(1000).describe("Connections at a time. Not yet in effect."),
    health_check: healthCheck.optional(),
  })
  .describe("An origin server.");

const timeouts = {
  connect: duration("above 0").describe("Time for connecting to a backend."),
  response: duration("above 0").describe("Time from the request being sent to the head of the response."),
  idle: duration("above 0").describe(
    "Longest pause within a response, and of an upload that makes no progress.",
  ),
  websocket_idle: duration("above 0").describe(
    "Longest silence on a WebSocket or another upgraded connection.",
  ),
  sse_idle: duration("above 0").describe("Longest silence in a stream of server-sent events."),
  backend_keep_alive: duration("above 0").describe("How long an unused connection to a backend is kept."),
};

const bodyLimits = {
  body_size: size(0).describe("Longest request body; 0 for no limit."),
  min_body_rate: size(0).describe(
    "Slowest request body, in bytes per second over `server.read_timeout`; 0 for no limit.",
  ),
};

const respond = z
  .strictObject({
    status: wholeNumber(200, 599).prefault(200).describe("Status of the response."),
    headers: z
      .record(responseFieldName(), fieldValue())
      .prefault({})
      .describe("Fields of the response. Without a Content-Type, a body is `text/plain; charset=utf-8`."),
    body: z
      .string({ error: "expected text (in quotes where YAML reads it as something else)" })
      .prefault("")
      .describe("Body of the response, sent as UTF-8."),
  })
  .describe("Answers with a fixed response.");

const redirect = z
  .strictObject({
    to: location().describe("Template of the Location field, as in `https://{host}{uri}`."),
    status: z
      .literal([301, 302, 303, 307, 308], { error: "expected one of 301, 302, 303, 307, 308" })
      .prefault(302)
      .describe("Status of the response."),
  })
  .describe("Sends the client to another address.");

const protocols = z
  .strictObject({
    http: balancer().optional().describe("Balancer for requests over HTTP."),
    https: balancer().optional().describe("Balancer for requests over HTTPS."),
    websocket: balancer().optional().describe("Balancer for WebSockets."),
    sse: balancer().optional().describe("Balancer for server-sent events."),
  })
  .describe("Balancers by protocol. Not yet in effect: `load_balancer` chooses for all of them.");

const route = z
  .strictObject({
    hosts: oneOrMore(hostPattern(), "expected a host or a list of hosts")
      .optional()
      .describe("Hosts that the route is for: names or `*.example.com`. Without it, every host."),
    path: pathPattern()
      .prefault("/")
      .describe("The path itself and everything below it. `exact:/x` is for `/x` alone."),
    methods: oneOrMore(method(), "expected a method or a list of methods")
      .optional()
      .describe("Methods that the route is for. Without it, every method."),
    headers: z
      .record(
        fieldName(),
        z.union([fieldValue(), z.literal(true)], { error: "expected text in quotes, or true" }),
      )
      .optional()
      .describe("Fields that a request must have: with this value, or with any value where it is `true`."),
    priority: wholeNumber(-1_000_000, 1_000_000)
      .prefault(0)
      .describe("Decides between routes that match equally well: the higher one is taken."),
    upstream: text().optional().describe("Action: name of the upstream that the request is proxied to."),
    respond: respond.optional(),
    redirect: redirect.optional(),
    strip_prefix: z
      .union([truth(), path()], { error: "expected true, false or a path" })
      .optional()
      .describe(
        "Prefix that is taken off the path before it is forwarded; `true` for the `path` of the route.",
      ),
    rewrite: pathTemplate()
      .optional()
      .describe("Template of the path and query that are forwarded, after `strip_prefix`."),
    load_balancer: balancer()
      .prefault("weight")
      .describe(
        `How a backend is chosen: ${WORKING_BALANCERS.join(" or ")}. Not yet in effect, so that weight is used: ${BALANCERS.slice(WORKING_BALANCERS.length).join(", ")}.`,
      ),
    protocols: protocols.optional(),
    timeouts: z
      .strictObject(timeouts)
      .partial()
      .optional()
      .describe("Instead of the `timeouts` of the file."),
    limits: z.strictObject(bodyLimits).partial().optional().describe("Instead of the `limits` of the file."),
  })
  .describe(
    "What a request must look like, and what becomes of it: exactly one of `upstream`, `respond`, `redirect`.",
  );

const accessLog = z
  .strictObject({
    enabled: truth().prefault(true).describe("`false` turns the log off and keeps the section."),
    path: text().optional().describe("File to append to. Without it, standard output."),
    format: choice(["json", "combined"])
      .prefault("json")
      .describe("One JSON object per line, or the format of Apache."),
  })
  .describe("One line per exchange. Without the section there is no access log.");

const admin = z.strictObject({
  enabled: truth().prefault(true).describe("`false` turns it off and keeps the section."),
  host: host().prefault("127.0.0.1").describe("Address to listen on."),
  port: wholeNumber(0, 65535).prefault(9091).describe("Port to listen on."),
});

export const configSchema = z.strictObject({
  server: server.prefault({}),
  ssl: ssl.optional(),
  backends: z
    .record(z.string(), z.array(backend).min(1, { error: "expected at least one backend" }))
    .prefault({})
    .describe("Upstreams by name, each a list of backends."),
  routing: z.record(z.string(), route).prefault({}).describe("Routes by name."),
  timeouts: z
    .strictObject({
      connect: timeouts.connect.prefault("5s"),
      response: timeouts.response.prefault("60s"),
      idle: timeouts.idle.prefault("60s"),
      websocket_idle: timeouts.websocket_idle.prefault("5m"),
      sse_idle: timeouts.sse_idle.prefault("5m"),
      backend_keep_alive: timeouts.backend_keep_alive.prefault("4s"),
    })
    .prefault({})
    .describe("Deadlines of the exchange with a backend. A route may have its own."),
  limits: z
    .strictObject({
      request_line: size(64).prefault("8kb").describe("Longest request line."),
      header_bytes: size(256)
        .prefault("32kb")
        .describe("Longest header section of a request, all fields together."),
      header_count: wholeNumber(1, 10_000).prefault(100).describe("Most header fields of a request."),
      body_size: bodyLimits.body_size.prefault(0),
      min_body_rate: bodyLimits.min_body_rate.prefault("500b"),
    })
    .prefault({})
    .describe("Limits on requests. A route may have its own `body_size` and `min_body_rate`."),
  access_log: accessLog.optional(),
  admin: admin.optional().describe("The admin API. Not yet in effect."),
  grpc: admin.optional().describe("The older name of `admin`."),
});

export type Config = z.output<typeof configSchema>;
export type RouteConfig = Config["routing"][string];
export type BackendConfig = Config["backends"][string][number];
