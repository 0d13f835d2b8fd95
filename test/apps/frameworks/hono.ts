// The API of frameworks.test.ts as a Hono app. Runs in a VM.

import { Hono } from "hono";
import { streamSSE, streamText } from "hono/streaming";

const app = new Hono();

app.use(async (context, next) => {
  await next();
  context.header("X-Framework", "hono");
});
app.get("/hello/:name", (context) =>
  context.json({ hello: context.req.param("name"), q: context.req.query("q") }),
);
app.post("/echo", async (context) => context.json(await context.req.json(), 201));
app.post("/length", async (context) => {
  let length = 0;
  for await (const piece of context.req.raw.body ?? []) length += piece.length;
  return context.text(String(length));
});
app.get("/stream", (context) =>
  streamText(context, async (stream) => {
    for (const piece of ["one ", "two ", "three"]) {
      await stream.write(piece);
      await stream.sleep(1);
    }
  }),
);
app.get("/events", (context) =>
  streamSSE(context, async (stream) => {
    for (const data of ["1", "2"]) await stream.writeSSE({ event: "number", data });
  }),
);
app.post("/form", async (context) => {
  const { file, name } = await context.req.parseBody();
  return context.json({ name, file: file instanceof File ? `${file.name} ${await file.text()}` : null });
});
app.get("/throw", () => {
  throw new Error("the handler broke");
});

export default app;
