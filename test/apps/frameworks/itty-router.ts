// The API of frameworks.test.ts as an itty-router. Runs in a VM.

import { AutoRouter, type IRequest, json, text } from "itty-router";

const router = AutoRouter({
  finally: [
    (response: Response) => {
      response.headers.set("X-Framework", "itty-router");
      return response;
    },
  ],
});

router.get("/hello/:name", ({ params, query }: IRequest) => ({ hello: params["name"], q: query["q"] }));
router.post("/echo", async (request: IRequest) => json(await request.json(), { status: 201 }));
router.post("/length", async (request: IRequest) => {
  let length = 0;
  for await (const piece of request["body"] as ReadableStream<Uint8Array>) length += piece.length;
  return text(String(length));
});
router.get("/stream", () => {
  const pieces = ["one ", "two ", "three"];
  const body = new ReadableStream<string>({
    pull(controller) {
      const piece = pieces.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(piece);
    },
  });
  return new Response(body.pipeThrough(new TextEncoderStream()));
});

export default router;
