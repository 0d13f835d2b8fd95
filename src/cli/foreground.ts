// The gateway in the foreground, until a signal ends it: what `sluice run` and `sluice serve` share. Runs in the CLI.

import type { ReadFile } from "../config/pem-files.ts";
import type { ListenerSpec } from "../config/snapshot.ts";
import { FileWatch } from "../control/file-watch.ts";
import { type ConfigSource, Gateway, StartError } from "../control/gateway.ts";
import { createLog, type Log } from "../control/log.ts";
import { ServiceManager } from "../control/service-manager.ts";

export interface ForegroundSetting {
  readonly source: ConfigSource;
  /** The code of apps is watched; one that cannot be started at first is waited for. */
  readonly watch: boolean;
  /** A file whose change is a reason to reload, or null. */
  readonly watchedFile: ReadFile | null;
  /** For a person: what to do now. `address` is the URL of the first listener. */
  readonly banner: (address: string) => string;
}

/** A second signal within this is an echo of the first; after it, the gateway ends without waiting. */
const IMPATIENCE_MS = 1000;
/** Somebody waits for it. */
const LOOK_MS = 100;

/** Resolves with the exit code when the gateway ended. */
export async function runInForeground(setting: ForegroundSetting): Promise<number> {
  const log = createLog();
  const gateway = await started(setting, log);
  if (gateway === null) return 1;
  // Whoever reads that it listens may send a signal at once.
  const manager = new ServiceManager(process.env, log);
  const stopped = untilStopped(gateway, manager, log);
  const addresses = gateway.listeners.map(addressText);
  log.info({ pid: process.pid, data_threads: gateway.workers }, `listening on ${addresses.join(", ")}`);
  void manager.ready(`listening on ${addresses.join(", ")}`);
  process.stdout.write(setting.banner(addresses[0]!));
  const { watchedFile } = setting;
  if (watchedFile !== null) {
    const files = new FileWatch(() => void reload(gateway, manager), LOOK_MS);
    files.watch([watchedFile]);
  }
  await stopped;
  return 0;
}

async function started({ source, watch }: ForegroundSetting, log: Log): Promise<Gateway | null> {
  for (;;) {
    try {
      return await Gateway.start(source, log, { watch });
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      process.stderr.write(`${error.message}\n`);
      if (!watch || error.inputs.length === 0) return null;
      process.stderr.write("waiting for a change of the code\n");
      await changed(error.inputs);
    }
  }
}

function changed(files: readonly ReadFile[]): Promise<void> {
  return new Promise((resolve) => {
    const watch = new FileWatch(() => {
      watch.stop();
      clearInterval(alive);
      resolve();
    }, LOOK_MS);
    watch.watch(files);
    // A FileWatch keeps no process alive, and there is nothing else yet.
    const alive = setInterval(() => {}, 60_000);
  });
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
