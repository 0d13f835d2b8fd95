// esbuild's own process: it is there while something is built, and no longer, because it takes as much memory as half a VM.
// Control thread.

import { stop } from "esbuild";

/** One process serves all that is built at the time. */
let users = 0;

export async function withBuilder<Result>(use: () => Promise<Result>): Promise<Result> {
  users++;
  try {
    return await use();
  } finally {
    users--;
    if (users === 0) await stop();
  }
}
