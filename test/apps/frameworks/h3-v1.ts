// The API of frameworks.test.ts as an app of H3 version 1, which has a handler made of it. Runs in a VM.

import {
  createApp,
  createRouter,
  eventHandler,
  getQuery,
  getRouterParam,
  readBody,
  readRawBody,
  setResponseHeader,
  setResponseStatus,
  toWebHandler,
} from "h3-v1";

const app = createApp({ onRequest: (event) => setResponseHeader(event, "X-Framework", "h3-v1") });
const router = createRouter();
app.use(router);

router.get(
  "/hello/:name",
  eventHandler((event) => ({ hello: getRouterParam(event, "name"), q: getQuery(event)["q"] })),
);
router.post(
  "/echo",
  eventHandler(async (event) => {
    setResponseStatus(event, 201);
    return (await readBody(event)) as unknown;
  }),
);
router.post(
  "/length",
  eventHandler(async (event) => String((await readRawBody(event, false))?.length)),
);
router.get(
  "/stream",
  eventHandler(() => {
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
  }),
);

export default { fetch: toWebHandler(app) };
