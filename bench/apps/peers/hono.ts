// `node hono.ts PORT`: the handler in Hono, on Node.

import { serve } from "@hono/node-server";
import { Hono } from "hono";

const app = new Hono();
app.get("/*", (context) => context.json({ hello: "world", path: context.req.path }));
app.post("/*", async (context) => context.json(await context.req.json()));
serve({ fetch: app.fetch, hostname: "127.0.0.1", port: Number(process.argv[2]) });
