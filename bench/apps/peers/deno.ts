// `deno run deno.ts PORT`: the handler in Deno.serve.

import handler from "../handler.ts";

declare const Deno: {
  readonly args: readonly string[];
  serve(
    options: { readonly hostname: string; readonly port: number },
    handler: (request: Request) => Promise<Response>,
  ): void;
};

Deno.serve({ hostname: "127.0.0.1", port: Number(Deno.args[0]) }, handler.fetch);
