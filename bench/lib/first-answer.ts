// The first answer of a server that was just started.

import { setTimeout as delay } from "node:timers/promises";

const START_TIMEOUT_MS = 15_000;

/** The gateway tries its port before it opens it for good: for a moment it may answer, and then not yet. */
export async function firstAnswer(url: string): Promise<Response> {
  const giveUpAt = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      return await fetch(url);
    } catch (error) {
      if (performance.now() > giveUpAt) throw error;
      await delay(50);
    }
  }
}
