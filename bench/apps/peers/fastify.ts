// `node fastify.ts PORT`: the handler in Fastify.

import fastify from "fastify";

const app = fastify();
app.get("/*", async (request) => {
  const { pathname } = new URL(request.url, "http://localhost");
  return { hello: "world", path: pathname };
});
app.post("/*", async (request) => request.body);
await app.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 4096 });
