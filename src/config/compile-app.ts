// Makes of an app of the configuration what the control thread starts VMs by, and data threads use them by. Runs anywhere.

import { resolve } from "node:path";
import type { PemFiles } from "./pem-files.ts";
import type { Config } from "./schema/config.ts";
import type { AppPlan, AppRules } from "./snapshot.ts";

type AppConfig = Config["apps"][string];

export function compileApp(name: string, app: AppConfig, files: PemFiles): AppPlan {
  const { permissions, queue, websocket } = app;
  const rules: AppRules = {
    name,
    concurrency: app.concurrency,
    queue: { size: queue.size, timeoutMs: queue.timeout },
    timeoutMs: app.timeout,
    requestBufferBytes: app.request_buffer,
    detailedErrors: app.errors === "detailed",
    repeatsIdempotent: app.repeat === "idempotent",
    upstreams: app.upstreams,
    websocket: {
      maxMessageBytes: websocket.max_message,
      queueBytes: websocket.queue,
      compression: websocket.compression,
    },
  };
  return {
    rules,
    entry: resolve(app.entry),
    instances: app.instances,
    memoryBytes: app.memory,
    hangTimeoutMs: app.hang_timeout ?? app.timeout,
    startTimeoutMs: app.start_timeout,
    env: { ...app.env, ...secretsOf(app, files) },
    permissions: {
      net: permissions.net,
      read: permissions.read.map((path) => resolve(path)),
      write: permissions.write.map((path) => resolve(path)),
      run: permissions.run,
      threads: permissions.threads,
      sqlite: permissions.sqlite,
    },
    maxRequests: app.max_requests ?? null,
    maxAgeMs: app.max_age ?? null,
    drainTimeoutMs: app.drain_timeout,
    spare: app.spare,
    inspect: null,
    isolation: app.isolation,
  };
}

function secretsOf(app: AppConfig, files: PemFiles): Record<string, string> {
  return Object.fromEntries(
    Object.entries(app.secrets).map(([name, path]) => [name, files.text(path).replace(/\r?\n$/, "")]),
  );
}
