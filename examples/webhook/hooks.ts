// Takes a webhook if it is signed: the signature is of the bytes of the body, so these are read before anything else.

import { createHmac, timingSafeEqual } from "node:crypto";
import type { Handler } from "sluice";

interface Variables {
  readonly SECRET: string;
}

export default {
  async fetch(request, { SECRET }, ctx) {
    const body = await request.bytes();
    const expected = `sha256=${createHmac("sha256", SECRET).update(body).digest("hex")}`;
    if (!areEqual(request.headers.get("x-hub-signature-256") ?? "", expected))
      return new Response("the signature does not fit\n", { status: 401 });
    let event: unknown;
    try {
      event = JSON.parse(new TextDecoder().decode(body));
    } catch {
      return new Response("expected JSON\n", { status: 400 });
    }
    // Who sends webhooks waits for seconds at most: the work goes on after the answer.
    ctx.waitUntil(handle(event));
    return new Response(null, { status: 202 });
  },
} satisfies Handler<Variables>;

async function handle(event: unknown): Promise<void> {
  console.log("webhook", event);
}

/** Takes as long for one wrong byte as for all, so that nobody finds the signature byte by byte. */
function areEqual(given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}
