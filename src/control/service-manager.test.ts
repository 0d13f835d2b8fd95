// What is said to a service manager, and in which order: a program of the test stands in for systemd-notify, which
// test/service/notify.test.ts has. Runs in the test process.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterEach, beforeEach, describe, it } from "node:test";
import { pino } from "pino";
import { ServiceManager } from "./service-manager.ts";

describe("a service manager", () => {
  let folder: string;
  let env: NodeJS.ProcessEnv;
  const lines: string[] = [];
  const log = pino(
    new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk));
        done();
      },
    }),
  );
  beforeEach(() => {
    lines.length = 0;
    folder = mkdtempSync(join(tmpdir(), "sluice-manager-"));
    env = { NOTIFY_SOCKET: "/run/notify", PATH: `${folder}:/usr/bin:/bin` };
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** `script` gets the assignments as its arguments. */
  function program(script: string): void {
    writeFileSync(join(folder, "systemd-notify"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }

  function said(): string[] {
    return readFileSync(join(folder, "said"), "utf8").trimEnd().split("\n");
  }

  it("hears one message after the other, each whole", async () => {
    // The first one takes longest.
    program(
      `case "$1" in READY=1) sleep 0.2 ;; esac\nprintf '%s|' "$NOTIFY_SOCKET" "$@" >> ${folder}/said\necho >> ${folder}/said`,
    );
    const manager = new ServiceManager(env, log);
    void manager.ready("listening on\n a port");
    void manager.reloading();
    await manager.stopping(30_000);
    const [ready, reloading, stopping, ...others] = said();
    assert.equal(ready, "/run/notify|READY=1|STATUS=listening on a port|");
    assert.match(
      reloading!,
      /^\/run\/notify\|RELOADING=1\|MONOTONIC_USEC=\d+\|STATUS=reloading the configuration\|$/,
    );
    assert.equal(
      stopping,
      "/run/notify|STOPPING=1|EXTEND_TIMEOUT_USEC=35000000|STATUS=ending what is under way|",
    );
    assert.deepEqual(others, []);
  });

  it("is not told of a reload that is over when the gateway stops already", async () => {
    program(`echo "$1" >> ${folder}/said`);
    const manager = new ServiceManager(env, log);
    await manager.stopping(0);
    await manager.ready("configuration reloaded");
    await manager.reloading();
    assert.deepEqual(said(), ["STOPPING=1"]);
  });

  it("hears what comes after a message that could not be sent; the log has the first failure", async () => {
    program(`echo "$1" >> ${folder}/said\necho no socket >&2\nexit 1`);
    const manager = new ServiceManager(env, log);
    void manager.ready("one");
    await manager.stopping(0);
    assert.deepEqual(said(), ["READY=1", "STOPPING=1"]);
    assert.equal(lines.length, 1);
    assert.match(lines[0]!, /"cannot tell the service manager READY=1: no socket"/);
  });
});
