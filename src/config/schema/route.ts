// A route of the section `routing`: what a request must look like and what becomes of it. Runs anywhere.

import { z } from "zod";
import { hashKeyText } from "../hash-key.ts";
import { policies } from "../policies/policies.ts";
import {
  choice,
  duration,
  fieldName,
  fieldValue,
  hostPattern,
  location,
  method,
  oneOrMore,
  path,
  pathPattern,
  pathTemplate,
  responseFieldName,
  share,
  size,
  TOKEN,
  text,
  textLike,
  truth,
  wholeNumber,
} from "../values.ts";
import { staticFiles } from "./static.ts";

const ON = "expected closed, malformed, timeout, or a status from 400 to 599";

function balancer() {
  return choice([
    "round_robin",
    "weight",
    "random",
    "two_choices",
    "least_connections",
    "least_connections_weight",
    "least_time",
    "ip_hash",
    "consistent_hash",
    "sticky",
    "performance_least_connections_weight",
  ]).meta({ title: "balancer" });
}

export const timeouts = {
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

export const bodyLimits = {
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
  .describe("Balancers by protocol, instead of `load_balancer`.");

const sticky = z
  .strictObject({
    cookie: textLike(TOKEN, "expected the name of a cookie")
      .prefault("sluice_backend")
      .describe("Name of the cookie."),
    secret: textLike(/^.{16,}$/s, "expected at least 16 characters (in quotes where YAML reads a number)")
      .optional()
      .describe(
        "Signs the cookie. Gateways that share clients need the same. Without it, one is made and kept in the state folder.",
      ),
    max_age: duration("or 0")
      .prefault("0s")
      .describe("How long a client keeps the cookie; 0 for as long as the browser runs."),
    secure: truth().prefault(false).describe("The cookie is sent over HTTPS only."),
  })
  .describe("The cookie of the balancer `sticky`.");

const retry = z
  .strictObject({
    attempts: wholeNumber(1, 100)
      .prefault(3)
      .describe("Times that a request is sent at most, the first among them; 1 for no repetition."),
    on: z
      .array(z.union([choice(["closed", "malformed", "timeout"]), wholeNumber(400, 599)], { error: ON }))
      .prefault(["closed", "malformed", "timeout"])
      .describe(
        "What an idempotent request is sent again for: the connection closed before the response, rubbish instead of a response, no response in time, or a status.",
      ),
    per_try_timeout: duration("above 0")
      .optional()
      .describe(
        "Time for the head of the response to one attempt, where that is less than `timeouts.response`.",
      ),
    body: size(0)
      .prefault("64kb")
      .describe("So much of a request body is kept so that it can be sent again. A longer one is sent once."),
  })
  .prefault({})
  .describe("When a request goes to another backend. One that was not sent yet moves on at once.");

const split = z
  .strictObject({
    to: z.record(z.string(), wholeNumber(0, 1_000_000)).describe("Weights by name of an upstream."),
    by: hashKeyText(["client", "path", "random"])
      .prefault("client")
      .describe("What decides, so that a client or key stays where it is: as `hash_key`, or `random`."),
  })
  .describe("Action: spreads the requests over several upstreams.");

const mirror = z
  .strictObject({
    upstream: text().describe("Name of the upstream that gets copies."),
    share: share().prefault(1).describe("Share of the requests that are copied."),
    body: size(0)
      .prefault("64kb")
      .describe("Longest request body that is copied; requests with a longer one are not."),
  })
  .describe(
    "Sends copies of requests to another upstream and drops the answers. The client never waits for it.",
  );

export const route = z
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
    app: text().optional().describe("Action: name of the app that answers."),
    respond: respond.optional(),
    redirect: redirect.optional(),
    static: staticFiles.optional(),
    strip_prefix: z
      .union([truth(), path()], { error: "expected true, false or a path" })
      .optional()
      .describe(
        "Prefix that is taken off the path before it is forwarded, or looked for among the files; `true` for the `path` of the route.",
      ),
    rewrite: pathTemplate()
      .optional()
      .describe("Template of the path and query that are forwarded, after `strip_prefix`."),
    split: split.optional(),
    mirror: mirror.optional(),
    load_balancer: balancer().prefault("weight").describe("How a backend is chosen (docs/balancing.md)."),
    protocols: protocols.optional(),
    hash_key: hashKeyText(["client", "path"])
      .prefault("path")
      .describe(
        "What `consistent_hash` goes by: `client`, `path`, `header:<name>`, `cookie:<name>` or `query:<name>`.",
      ),
    sticky: sticky.prefault({}),
    retry,
    policies: policies.optional().describe("Instead of the `policies` of the file, each by its name."),
    timeouts: z
      .strictObject(timeouts)
      .partial()
      .optional()
      .describe("Instead of the `timeouts` of the file."),
    limits: z.strictObject(bodyLimits).partial().optional().describe("Instead of the `limits` of the file."),
  })
  .describe(
    "What a request must look like, and what becomes of it: exactly one of `upstream`, `split`, `app`, `respond`, `redirect`, `static`.",
  );
