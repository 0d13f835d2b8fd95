// Opens Node's debugger in a VM, for `sluice serve --inspect`. Runs in VMs.

import type { FromVm } from "../wire/vm.ts";

/** The VM of the version before may have the port for a while. */
const AGAIN_MS = 250;

export async function openDebugger(
  { host, port }: { readonly host: string; readonly port: number },
  post: (message: FromVm) => void,
): Promise<void> {
  const { open, url } = await import("node:inspector");
  const say = (level: "info" | "warn", message: string) => post({ type: "log", level, message, request: "" });
  const tryIt = (isFirst: boolean) => {
    open(port, host);
    const address = url();
    if (address !== undefined) {
      say("info", `debugger listening on ${address} (chrome://inspect, or attach an editor)`);
      return;
    }
    if (isFirst) say("warn", `the debugger cannot listen on ${host}:${port} yet: somebody else holds it`);
    setTimeout(() => tryIt(false), AGAIN_MS).unref();
  };
  tryIt(true);
}
