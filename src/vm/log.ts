// What a VM tells the gateway's log. Runs in VMs.

import type { FromVm } from "../wire/vm.ts";

type Level = Extract<FromVm, { type: "log" }>["level"];

export function log(level: Level, message: string, fields: Readonly<Record<string, string | number>>): void {
  process.send?.({ type: "log", level, message, fields } satisfies FromVm);
}
