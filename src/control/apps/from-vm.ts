// Reads what a VM sends over its IPC channel: the app in it can send anything there. Control thread.

import { z } from "zod";
import type { FromVm } from "../../wire/vm.ts";

/** Longer than any id of a request. */
const MOST_ID = 64;

const count = z.number().nonnegative();

const numbers = z.strictObject({
  running: count,
  queued: count,
  abandoned: count,
  pending: count,
  heapUsed: count,
  external: count,
  rss: count,
  utilization: count,
  cpu: count,
  handles: count,
});

const message = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("ready") }),
  z.strictObject({ type: z.literal("failed"), message: z.string(), stack: z.string() }),
  z.strictObject({
    type: z.literal("pong"),
    number: count,
    requests: count,
    numbers: numbers.nullable(),
  }),
  z.strictObject({ type: z.literal("drained") }),
  z.strictObject({
    type: z.literal("log"),
    level: z.enum(["debug", "info", "warn", "error"]),
    message: z.string(),
    request: z.string().max(MOST_ID),
  }),
]);

/** Null for what no VM says by itself. */
export function readFromVm(sent: unknown): FromVm | null {
  const read = message.safeParse(sent);
  return read.success ? read.data : null;
}
