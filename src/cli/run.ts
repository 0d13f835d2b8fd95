// `sluice run`: the gateway in the foreground, until a signal ends it.

import { existsSync } from "node:fs";
import { loadConfig, loadConfigText } from "../config/load.ts";
import type { ListenerSpec } from "../config/snapshot.ts";
import { Gateway, StartError } from "../control/gateway.ts";
import { createLog, type Log } from "../control/log.ts";
import { ServiceManager } from "../control/service-manager.ts";
import { Demo } from "./demo.ts";

const DEFAULT_FILE = "sluice.yaml";

/** A second signal within this is an echo of the first; after it, the gateway ends without waiting. */
const IMPATIENCE_MS = 1000;

/** Resolves with the exit code when the gateway ended. */
export async function run({ config }: { config?: string }): Promise<number> {
  const log = createLog();
  const file = config ?? (existsSync(DEFAULT_FILE) ? DEFAULT_FILE : null);
  const demo = file === null ? await Demo.start() : null;
  const source = () =>
    demo === null ? loadConfig(file!, process.env) : loadConfigText(demo.config, "the demo", process.env);
  let gateway: Gateway;
  try {
    gateway = await Gateway.start(source, log);
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    process.stderr.write(`${error.message}\n`);
    demo?.stop();
    return 1;
  }
  // Whoever reads that it listens may send a signal at once.
  const manager = new ServiceManager(process.env, log);
  const stopped = untilStopped(gateway, manager, log);
  const addresses = gateway.listeners.map(addressText);
  log.info({ pid: process.pid, data_threads: gateway.workers }, `listening on ${addresses.join(", ")}`);
  void manager.ready(`listening on ${addresses.join(", ")}`);
  if (demo !== null) process.stdout.write(demo.banner(addresses[0]!));
  await stopped;
  demo?.stop();
  return 0;
}

/** Where a browser on this machine finds the listener. */
function addressText({ host, port, tls }: ListenerSpec): string {
  return `${tls === null ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function untilStopped(gateway: Gateway, manager: ServiceManager, log: Log): Promise<void> {
  process.on("SIGHUP", () => void reload(gateway, manager));
  process.on("SIGUSR2", () => gateway.reopenLogs());
  // Node opens its debugger on it, and whoever may send a signal could drive the gateway.
  process.on("SIGUSR1", () => log.warn("SIGUSR1 means nothing to the gateway: it opens no debugger"));
  return new Promise((resolve) => {
    let stopping = 0;
    const stop = async (signal: NodeJS.Signals) => {
      if (stopping > 0) {
        // A terminal and npm both pass Ctrl-C on, at the same moment. Only one that comes later is meant as "at once".
        if (performance.now() - stopping > IMPATIENCE_MS) process.exit(1);
        return;
      }
      stopping = performance.now();
      log.info(`${signal}: no new connections, ending what is under way`);
      void manager.stopping(gateway.shutdownTimeoutMs);
      const cut = await gateway.stop();
      logTotals(gateway, log, cut);
      resolve();
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
  });
}

async function reload(gateway: Gateway, manager: ServiceManager): Promise<void> {
  void manager.reloading();
  const accepted = await gateway.reload();
  void manager.ready(
    accepted
      ? "configuration reloaded"
      : "configuration not reloaded (the log says why): the one before goes on",
  );
}

function logTotals(gateway: Gateway, log: Log, cut: number): void {
  const { counters, requestTimes } = gateway.metrics.readTotals();
  if (cut > 0) log.warn({ connections: cut }, "connections cut at server.shutdown_timeout");
  log.info(
    {
      requests: counters.requests,
      failed_5xx: counters.responses5xx,
      refused_connections:
        counters.refusedAtMaxConnections + counters.refusedAtClientLimit + counters.refusedAtFileLimit,
      p50_ms: requestTimes.quantile(0.5) / 1000,
      p99_ms: requestTimes.quantile(0.99) / 1000,
    },
    "stopped",
  );
}
