// Sends the time to everybody who watches, and stops when they leave.

import type { Handler } from "sluice";

interface Variables {
  readonly TICK_MS: string;
}

const PAGE = `<!doctype html><title>Clock</title><h1 id="clock"></h1>
<script>new EventSource("/clock").onmessage = ({ data }) => { clock.textContent = data; };</script>`;

/** Of this VM: another one would have a number of its own. */
let watching = 0;

/** A tick is made when it is asked for: nothing piles up here for a client that reads slowly. */
function clock(tickMs: number): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let timer: NodeJS.Timeout | undefined;
  return new ReadableStream({
    start() {
      watching++;
    },
    async pull(controller) {
      controller.enqueue(encoder.encode(`data: ${new Date().toISOString()}\n\n`));
      await new Promise((resolve) => {
        timer = setTimeout(resolve, tickMs);
      });
    },
    cancel() {
      watching--;
      clearTimeout(timer);
    },
  });
}

export default {
  fetch(request, { TICK_MS }) {
    switch (new URL(request.url).pathname) {
      case "/":
        return new Response(PAGE, { headers: { "Content-Type": "text/html; charset=utf-8" } });
      case "/clock": {
        const headers = { "Content-Type": "text/event-stream", "Cache-Control": "no-store" };
        return new Response(clock(Number(TICK_MS)), { headers });
      }
      case "/watching":
        return Response.json({ watching });
      default:
        return new Response("not found\n", { status: 404 });
    }
  },
} satisfies Handler<Variables>;
