// The entry of a VM: a process that runs one app. Loads it, takes the links to the data threads, answers heartbeats.
// The control thread is at the other end of the IPC channel; without it a VM ends.

import type { Socket } from "node:net";
import { CRASHED_EXIT_CODE, type FromVm, type ToVm, type VmStart } from "../wire/vm.ts";
import { loadApp } from "./app.ts";
import { openDebugger } from "./debugger.ts";
import { failureOf } from "./failure.ts";
import { GatewayLink } from "./gateway-link.ts";
import { installGlobals } from "./http/globals.ts";
import { Numbers } from "./numbers.ts";
import { Turns } from "./turns.ts";
import { installWebSocketPair } from "./websocket/pair.ts";

let turns: Turns | null = null;
let key = "";
const numbers = new Numbers();

async function start(message: VmStart): Promise<void> {
  key = message.key;
  try {
    if (message.inspect !== null) await openDebugger(message.inspect, post);
    installGlobals();
    installWebSocketPair();
    const handler = await loadApp(message);
    turns = new Turns(handler, message.concurrency);
    post({ type: "ready" });
  } catch (error) {
    post({ type: "failed", ...failureOf(error) });
  }
}

function post(message: FromVm): void {
  process.send?.(message);
}

process.on("message", (message: ToVm, socket: unknown) => {
  switch (message.type) {
    case "start":
      void start(message);
      break;
    case "link":
      new GatewayLink(socket as Socket, turns!, key);
      break;
    case "ping":
      post({
        type: "pong",
        number: message.number,
        requests: turns?.entered ?? 0,
        numbers: message.numbers ? numbers.read(turns) : null,
      });
      break;
    case "drain":
      turns?.work.whenIdle(() => post({ type: "drained" }));
      break;
  }
});
process.on("disconnect", () => process.exit(0));

// Node makes its own exit code of an exception that nobody caught, before the last word.
let crashed = false;
process.on("uncaughtExceptionMonitor", () => {
  crashed = true;
});
process.on("exit", () => {
  if (crashed) process.exitCode = CRASHED_EXIT_CODE;
});
