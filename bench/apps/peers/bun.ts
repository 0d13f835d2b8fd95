// `bun bun.ts PORT`: the handler in Bun.serve.

import handler from "../handler.ts";

declare const Bun: {
  serve(options: {
    readonly hostname: string;
    readonly port: number;
    readonly fetch: (request: Request) => Promise<Response>;
  }): void;
};

Bun.serve({ hostname: "127.0.0.1", port: Number(process.argv[2]), fetch: handler.fetch });
