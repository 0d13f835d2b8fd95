// A small shop: products to read, orders to be priced.

import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { validator } from "hono/validator";
import products from "./products.json" with { type: "json" };

type Product = keyof typeof products;
type Order = Partial<Record<Product, number>>;

const isProduct = (id: string): id is Product => Object.hasOwn(products, id);

const order = validator("json", (body: unknown): Order => {
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw new HTTPException(400, { message: "expected an object of products and numbers" });
  for (const [id, count] of Object.entries(body)) {
    if (!isProduct(id)) throw new HTTPException(400, { message: `there is no product "${id}"` });
    if (!Number.isInteger(count) || count < 1)
      throw new HTTPException(400, { message: `${id}: expected a whole number from 1` });
  }
  return body;
});

const app = new Hono();

app.use(async (context, next) => {
  const started = performance.now();
  await next();
  context.header("Server-Timing", `handler;dur=${(performance.now() - started).toFixed(1)}`);
});
app.get("/products", (context) => context.json(products));
app.get("/products/:id", (context) => {
  const id = context.req.param("id");
  return isProduct(id) ? context.json(products[id]) : context.notFound();
});
app.post("/orders", order, (context) => {
  const lines = Object.entries(context.req.valid("json")) as [Product, number][];
  const cents = lines.reduce((sum, [id, count]) => sum + products[id].cents * count, 0);
  return context.json({ lines: lines.length, cents }, 201);
});
app.notFound((context) => context.json({ error: `there is no ${context.req.path}` }, 404));
app.onError((error, context) => {
  // Whatever is not meant for the client becomes the gateway's 500, with a request id and the stack in the log.
  if (!(error instanceof HTTPException)) throw error;
  return context.json({ error: error.message }, error.status);
});

export default app;
