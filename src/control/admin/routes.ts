// What the admin API answers, path by path. Control thread.

import type { FastifyReply, FastifyRequest } from "fastify";
import { appsAnswer } from "./apps.ts";
import { backendsAnswer } from "./backends.ts";
import { AdminError } from "./error.ts";
import { EXPOSITION_TYPE } from "./exposition.ts";
import { accept, appsQuery, backendsQuery } from "./input.ts";
import type { Machine } from "./machine.ts";
import { metricsText } from "./metrics.ts";
import { takePurge } from "./purge.ts";
import { findUpstream, takeReport } from "./report.ts";
import type { Samples } from "./samples.ts";
import { serverStats } from "./stats.ts";
import { type GatewayView, isReady } from "./view.ts";

export interface AdminRoute {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** What it returns is sent, an object as JSON; an `AdminError` that it throws, too. */
  handle(request: FastifyRequest, reply: FastifyReply): unknown;
}

export interface Sources {
  readonly view: GatewayView;
  readonly samples: Samples;
  readonly machine: Machine;
}

export function adminRoutes({ view, samples, machine }: Sources): readonly AdminRoute[] {
  return [
    {
      method: "GET",
      path: "/api/v1/stats/server",
      handle: async () => ({ stats: await serverStats(view, samples, machine) }),
    },
    {
      method: "GET",
      path: "/api/v1/backends",
      handle({ query }) {
        const { upstream = "" } = accept(backendsQuery, { ...(query as object) });
        const asked = upstream === "" ? view.upstreams : [findUpstream(view.upstreams, upstream)];
        return backendsAnswer(view, asked, Date.now());
      },
    },
    {
      method: "GET",
      path: "/api/v1/apps",
      handle: ({ query }) => appsAnswer(view.apps, accept(appsQuery, { ...(query as object) }).app),
    },
    {
      method: "POST",
      path: "/api/v1/report",
      handle: ({ body }) => takeReport(view.upstreams, body, Date.now()),
    },
    {
      method: "POST",
      path: "/api/v1/cache/purge",
      handle: ({ body }) => takePurge(view, body),
    },
    {
      method: "GET",
      path: "/metrics",
      handle: (_, reply) => reply.type(EXPOSITION_TYPE).send(metricsText(view, Date.now())),
    },
    { method: "GET", path: "/healthz", handle: () => ({ status: "ok" }) },
    {
      method: "GET",
      path: "/readyz",
      handle() {
        if (isReady(view)) return { status: "ready" };
        const why = view.lifecycle === "ready" ? "no data thread runs" : `it is ${view.lifecycle}`;
        throw new AdminError(503, "not_ready", `The gateway takes no exchanges: ${why}`);
      },
    },
  ];
}
