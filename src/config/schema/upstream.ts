// The sections `backends` and `upstreams`: the origin servers, and the rules of a set of them. Runs anywhere.

import { z } from "zod";
import {
  choice,
  dnsServer,
  duration,
  host,
  oneOrMore,
  pathAndQuery,
  share,
  text,
  textLike,
  truth,
  wholeNumber,
} from "../values.ts";

const MOST = Number.MAX_SAFE_INTEGER;
export const STANDARD_EJECTION_TIME = "10s";
export const STANDARD_MIN_TTL = "1s";

const STATUS = 'expected a status such as 200, or a class such as "2xx"';

const statusOrClass = z
  .union([wholeNumber(100, 599), textLike(/^[1-5]xx$/, STATUS)], {
    error: STATUS,
  })
  .meta({ title: "status or class" });

const healthCheck = z
  .strictObject({
    enabled: truth().prefault(true).describe("`false` turns the checks off and keeps the settings."),
    path: pathAndQuery()
      .optional()
      .describe(
        "Path that is asked for. Without it (and `grpc`), a check is a TCP connection (and TLS handshake).",
      ),
    grpc: textLike(/^[\w.]{0,127}$/, 'expected the name of a service such as "shop.Cart", or ""')
      .optional()
      .describe(
        'Service that is asked about by `grpc.health.v1.Health/Check` instead of a `path`; `""` for the server as a whole. With `protocol: h2` only.',
      ),
    method: choice(["GET", "HEAD", "OPTIONS"]).prefault("GET").describe("Method of the request."),
    host: host().optional().describe("Host field of the request. Without it, the backend's own."),
    port: wholeNumber(1, 65535).optional().describe("Port to check, if it is another than the backend's."),
    expect_status: oneOrMore(statusOrClass, `${STATUS}, or a list`)
      .optional()
      .describe("Statuses that pass. Without it, `2xx` and `3xx`."),
    expect_body: text().optional().describe("Text that the first 64 KB of the body must contain."),
    interval: duration("above 0").prefault("10s").describe("Time between two checks, give or take a tenth."),
    timeout: duration("above 0").prefault("5s").describe("A check that takes longer has failed."),
    failures: wholeNumber(1, 1000).prefault(3).describe("Failed checks in a row that take the backend out."),
    successes: wholeNumber(1, 1000).prefault(1).describe("Passed checks in a row that bring it back."),
  })
  .describe("Active health checks of a backend, made by the control thread.");

const backendTls = z
  .strictObject({
    ca_file: text()
      .optional()
      .describe("Certificates (PEM) that the backend's must come from, instead of the system's."),
    cert_file: text().optional().describe("Client certificate (PEM)."),
    key_file: text().optional().describe("Key of the client certificate (PEM)."),
    server_name: host()
      .optional()
      .describe(
        "Name for SNI, and in the backend's certificate. Without it, `host`, or the target of `srv`.",
      ),
    verify: truth()
      .prefault(true)
      .describe("`false` accepts any certificate: anybody between could read everything."),
  })
  .describe("How a backend with `scheme: https` is known.");

const backend = z
  .strictObject({
    id: text()
      .optional()
      .describe("Name within the upstream. Without it, `<upstream>-<host>-<port>`. See `host` for names."),
    name: text().optional().describe("Text for people."),
    host: host()
      .optional()
      .describe(
        "Address or name to connect to. A name stands for all its addresses: each is a backend of its own, with `@<address>` behind the id, and changes in DNS are followed.",
      ),
    port: wholeNumber(1, 65535).optional().describe("Port to connect to."),
    srv: textLike(
      /^_[a-zA-Z0-9-]+\._(?:tcp|udp)(?:\.[a-zA-Z0-9_-]+)+\.?$/,
      'expected the name of SRV records such as "_http._tcp.example.com"',
    )
      .optional()
      .describe(
        "Name of SRV records, instead of `host` and `port`. Those of the lowest priority are used, the others are for backup.",
      ),
    socket: text().optional().describe("Path of a unix socket, instead of `host` and `port`."),
    weight: wholeNumber(1, 65535).prefault(100).describe("Share of the exchanges, beside the other weights."),
    scheme: choice(["http", "https"]).prefault("http").describe("`https` speaks TLS to the backend."),
    protocol: choice(["http1", "h2"])
      .prefault("http1")
      .describe(
        "`h2` speaks HTTP/2 to the backend, as gRPC wants it: with `scheme: https` by ALPN, with `http` from the first byte on (h2c, prior knowledge).",
      ),
    tls: backendTls.optional(),
    proxy_protocol: choice(["v1", "v2"])
      .optional()
      .describe(
        "Tells the backend of the client at the start of each connection, which then serves one exchange.",
      ),
    active: truth()
      .prefault(true)
      .describe("`false` keeps the backend in the file, but sends nothing to it."),
    backup: truth().prefault(false).describe("Used only while no other backend of the upstream is up."),
    max_conn: wholeNumber(1, MOST)
      .prefault(1000)
      .describe(
        "Connections at a time, unused ones among them, over all data threads. With `protocol: h2`, exchanges at a time.",
      ),
    health_check: healthCheck.optional(),
  })
  .describe("An origin server.");

export const backends = z
  .record(z.string(), z.array(backend).min(1, { error: "expected at least one backend" }))
  .prefault({})
  .describe("Upstreams by name, each a list of backends.");

const queue = z
  .strictObject({
    size: wholeNumber(0, 1_000_000)
      .prefault(1000)
      .describe("Exchanges that may wait, over all data threads; 0 for none."),
    timeout: duration("above 0").prefault("5s").describe("Longest wait; then 503 with Retry-After."),
  })
  .prefault({})
  .describe(
    "Where exchanges wait, first in, first out, while every backend that is up has `max_conn` connections.",
  );

const ejection = z
  .strictObject({
    enabled: truth().prefault(true).describe("`false` ejects nobody."),
    failures: wholeNumber(1, 100_000).prefault(5).describe("Failures in a row that eject a backend."),
    failure_share: share()
      .optional()
      .describe(
        "Share of failures within `window` that ejects a backend. Without it, only `failures` counts.",
      ),
    window: duration("above 0").prefault("10s").describe("Time that `failure_share` looks back on."),
    min_requests: wholeNumber(1, 1_000_000)
      .prefault(20)
      .describe("`failure_share` counts from so many exchanges in the window."),
    statuses: z
      .array(wholeNumber(500, 599))
      .prefault([502, 503, 504])
      .describe(
        "Answers that count as failures, here and for the circuit breaker, beside connections that fail.",
      ),
    time: duration("above 0")
      .prefault(STANDARD_EJECTION_TIME)
      .describe("How long a backend is out the first time; each time in a row doubles it."),
    max_time: duration("above 0").prefault("5m").describe("The longest it is out."),
    max_share: share().prefault(0.5).describe("Largest share of the backends that may be ejected at a time."),
  })
  .prefault({})
  .describe("Takes out backends that fail exchanges, without a health check.");

const circuitBreaker = z
  .strictObject({
    pending: wholeNumber(1, MOST)
      .optional()
      .describe(
        "Exchanges that may wait for the head of a response at a time; the next one gets 503 at once.",
      ),
    failure_share: share()
      .optional()
      .describe(
        "Share of failures (as in `ejection`) within `window` that opens the circuit: 503 at once, for `open_time`.",
      ),
    window: duration("above 0").prefault("10s").describe("Time that `failure_share` looks back on."),
    min_requests: wholeNumber(1, 1_000_000)
      .prefault(20)
      .describe("`failure_share` counts from so many exchanges in the window."),
    open_time: duration("above 0")
      .prefault("5s")
      .describe("How long it stays open; then one exchange is tried, which closes it or opens it again."),
  })
  .describe("Spares an upstream that is sick as a whole. Without the section there is none.");

const retryBudget = z
  .strictObject({
    share: share()
      .prefault(0.2)
      .describe("Repeated requests in the last ten seconds, as a share of all requests in them."),
    least: wholeNumber(0, 1_000_000).prefault(3).describe("So many are allowed at any rate."),
  })
  .prefault({})
  .describe(
    "Bounds the requests that are sent again, over all data threads. Moving on after a failed connect is free.",
  );

export const upstreams = z
  .record(
    z.string(),
    z.strictObject({
      queue,
      ejection,
      circuit_breaker: circuitBreaker.optional(),
      retry_budget: retryBudget,
      slow_start: duration("or 0")
        .prefault("0s")
        .describe("A backend that comes back gets its full share only after this time; 0 for at once."),
      panic_threshold: share()
        .prefault(0)
        .describe(
          "Where a smaller share of the backends is up, all of them are used, up or not; 0 for never.",
        ),
    }),
  )
  .prefault({})
  .describe("Rules of an upstream, by the name that it has in `backends`. Without them, the defaults.");

export const resolver = z
  .strictObject({
    servers: z
      .array(dnsServer())
      .min(1, { error: "expected at least one server" })
      .optional()
      .describe("DNS servers. Without them, those of the system."),
    min_ttl: duration("or 0")
      .prefault(STANDARD_MIN_TTL)
      .describe("An answer is used for at least this long."),
    max_ttl: duration("above 0")
      .prefault("5m")
      .describe("An answer is asked for again after this at the latest."),
    timeout: duration("above 0").prefault("2s").describe("Time for one question."),
  })
  .prefault({})
  .describe("How the names of backends become addresses. `/etc/hosts` comes first.");
