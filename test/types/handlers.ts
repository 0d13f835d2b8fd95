// What the types of "sluice" let pass and what they do not. Never run: `npm run check` checks it as part of the project, and
// test/package/pack.test.ts as a user does, with lib.dom, with @types/node and with both.

import type { Client, Env, ExecutionContext, Handler, HandlerFunction, ServerWebSocket } from "sluice";

declare module "sluice" {
  interface Env {
    GREETING: string;
    shop: UpstreamBinding;
  }
}

interface Own {
  readonly TOKEN: string;
}

export const whole = {
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    ctx.waitUntil(request.text());
    // @ts-expect-error: what goes on has to be a promise
    ctx.waitUntil(3);
    const client: Client = ctx.client;
    const fingerprint: string | undefined = client.tls?.clientCertificate?.fingerprint;
    const response: Response = await env.shop.fetch("/cart", { method: "POST", body: env.GREETING });
    // @ts-expect-error: nobody has declared it
    env.GREETNG;
    // @ts-expect-error: a variable is text
    env.GREETING satisfies number;
    return Response.json({ status: response.status, id: ctx.requestId, fingerprint });
  },
} satisfies Handler;

/** The types of the parameters come from the type of the handler. */
export const inferred = {
  fetch: (request, env, ctx) => {
    env.TOKEN satisfies string;
    // @ts-expect-error: this app has other variables
    env.GREETING;
    return new Response(`${request.method} ${ctx.client.address}`);
  },
} satisfies Handler<Own>;

export const alone = ((_request, env) => new Response(env.GREETING)) satisfies HandlerFunction;

export const nothing = {
  // @ts-expect-error: a handler returns a Response
  fetch: () => "text",
} satisfies Handler;

// @ts-expect-error: a handler has a method of that name
export const misspelt = { fetsh: () => new Response() } satisfies Handler;

export function webSocket(): Response {
  const pair = new WebSocketPair();
  const { 0: client, 1: server } = pair;
  const [first]: Iterable<ServerWebSocket> & readonly ServerWebSocket[] = [...pair];
  first satisfies ServerWebSocket | undefined;
  server.accept();
  server.addEventListener("message", ({ data }) =>
    server.send(typeof data === "string" ? data : data.slice(0)),
  );
  server.addEventListener("message", { handleEvent: async () => {} });
  server.onclose = ({ code, reason, wasClean }) => `${code + 1} ${reason} ${wasClean}`;
  // @ts-expect-error: a message is text or bytes
  server.send({ text: "hi" });
  // @ts-expect-error: there is no such code
  server.close("done");
  // @ts-expect-error: half a pair is no pair
  new Response(null, { status: 101, webSocket: pair });
  // @ts-expect-error: the WebSocket of a client is none of a pair
  new Response(null, { status: 101, webSocket: new WebSocket("ws://127.0.0.1/") });
  return new Response(null, { status: 101, webSocket: client });
}
