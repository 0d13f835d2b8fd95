// The configuration file: every key with its kind of value, its default and what it means. docs/configuration.md and
// docs/sluice.schema.json are made from it (tools/config-reference.ts). Runs anywhere.

import { z } from "zod";
import { policies } from "../policies/policies.ts";
import { choice, size, text, truth, wholeNumber } from "../values.ts";
import { admin } from "./admin.ts";
import { apps } from "./app.ts";
import { bodyLimits, route, timeouts } from "./route.ts";
import { server } from "./server.ts";
import { ssl } from "./ssl.ts";
import { backends, resolver, upstreams } from "./upstream.ts";

const accessLog = z
  .strictObject({
    enabled: truth().prefault(true).describe("`false` turns the log off and keeps the section."),
    path: text().optional().describe("File to append to. Without it, standard output."),
    format: choice(["json", "combined"])
      .prefault("json")
      .describe("One JSON object per line, or the format of Apache."),
  })
  .describe("One line per exchange. Without the section there is no access log.");

export const configSchema = z.strictObject({
  server: server.prefault({}),
  ssl: ssl.prefault({}),
  backends,
  upstreams,
  resolver,
  apps,
  policies: policies
    .optional()
    .describe("Policies of all routes, and of requests that no route is for. A route may have its own."),
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
  admin: admin
    .optional()
    .describe(
      "The admin API: the numbers of the gateway, and reports to it (docs/admin.md). Without the section there is none.",
    ),
  grpc: admin.optional().describe("The older name of `admin`."),
});

export type Config = z.output<typeof configSchema>;
export type RouteConfig = Config["routing"][string];
export type BackendConfig = Config["backends"][string][number];
export type UpstreamRulesConfig = Config["upstreams"][string];
