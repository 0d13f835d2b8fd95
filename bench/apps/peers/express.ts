// `node express.ts PORT`: the handler in Express. No ETag and no X-Powered-By, which no other contestant sends.

import express from "express";

const app = express();
app.disable("etag");
app.disable("x-powered-by");
app.get("/{*rest}", (request, response) => {
  response.json({ hello: "world", path: request.path });
});
app.post("/{*rest}", express.json(), (request, response) => {
  response.json(request.body);
});
app.listen(Number(process.argv[2]), "127.0.0.1", 4096);
