// How V8 collects garbage, for all threads of the gateway. Runs in the control thread, before there is a data thread.

import { setFlagsFromString } from "node:v8";

/**
 * What outlives a few collections while the gateway is young, as streams of HTTP/2 do under load, V8 would from then on
 * make as old objects, which only a full collection frees, with all that they point to. Here next to nothing of an
 * exchange grows old. See data/http2/stream-tables.ts for what that is worth.
 */
export function keepGarbageYoung(): void {
  setFlagsFromString("--no-allocation-site-pretenuring");
}
