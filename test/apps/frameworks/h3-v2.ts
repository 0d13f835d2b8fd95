// The API of frameworks.test.ts as an app of H3 version 2. Runs in a VM.

import { getQuery, H3, readBody } from "h3";

const app: H3 = new H3();

app.use((event) => {
  event.res.headers.set("X-Framework", "h3-v2");
});
app.get("/hello/:name", (event) => ({ hello: event.context.params?.["name"], q: getQuery(event)["q"] }));
app.post("/echo", async (event) => {
  event.res.status = 201;
  return await readBody(event);
});
app.post("/length", async (event) => {
  let length = 0;
  for await (const piece of event.req.body ?? []) length += piece.length;
  return String(length);
});
app.get("/stream", () => {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async start(controller) {
      for (const piece of ["one ", "two ", "three"]) {
        controller.enqueue(encoder.encode(piece));
        await new Promise((resolve) => setImmediate(resolve));
      }
      controller.close();
    },
  });
});

export default app;
