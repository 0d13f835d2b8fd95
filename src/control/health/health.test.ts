// What checks and ejections make of backends: states, slow starts, logs, counts. Real backends and shared memory. Runs
// in the test process.

import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterEach, beforeEach, describe, it, type TestContext } from "node:test";
import {
  backendSpec,
  ejection,
  healthCheck,
  type TestUpstream,
  upstream,
} from "../../../test/support/health.ts";
import { RawBackend } from "../../../test/support/raw.ts";
import type { BackendSpec, HealthCheckSpec, UpstreamRules } from "../../config/snapshot.ts";
import { Check } from "../../core/shared/backend-state.ts";
import { createLog } from "../log.ts";
import { Health } from "./health.ts";

/** A backend that answers every check with the status it is set to. */
class Origin {
  readonly sockets = new Set<Socket>();
  /** Checks so far. */
  asked = 0;
  status = 200;
  readonly #server: Server;
  readonly #watchers = new Set<() => void>();

  static async start(t: TestContext, status = 200): Promise<Origin> {
    const origin = new Origin();
    origin.status = status;
    await new Promise<void>((resolve) => origin.#server.listen(0, "127.0.0.1", resolve));
    t.after(() => origin.#server.close());
    return origin;
  }

  private constructor() {
    this.#server = createServer((_, response) => {
      this.asked++;
      response.writeHead(this.status).end();
      for (const watcher of this.#watchers) watcher();
    });
    this.#server.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resolves when so many more checks came than now. */
  checks(more: number): Promise<void> {
    const wanted = this.asked + more;
    return new Promise((resolve) => {
      const look = () => {
        if (this.asked < wanted) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
    });
  }

  checked(settings: Partial<HealthCheckSpec> = {}, backend: Partial<BackendSpec> = {}): BackendSpec {
    return backendSpec({ port: this.port, healthCheck: healthCheck(settings), ...backend });
  }
}

interface Line {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

describe("the health of backends", () => {
  let health: Health;
  let lines: Line[];
  let rooms: string[];
  let watchers: Set<() => void>;

  beforeEach(() => {
    lines = [];
    rooms = [];
    watchers = new Set();
    const write = (line: string) => {
      lines.push(JSON.parse(line) as Line);
      for (const watcher of watchers) watcher();
    };
    const stream: unknown = { isTTY: false, write };
    health = new Health(createLog(stream as NodeJS.WriteStream), (name) => rooms.push(name));
  });
  afterEach(() => health.stop());

  /** Resolves with the line of that number, now or later. */
  function logged(index: number): Promise<Line> {
    return new Promise((resolve) => {
      const look = () => {
        if (lines.length <= index) return;
        watchers.delete(look);
        resolve(lines[index]!);
      };
      watchers.add(look);
      look();
    });
  }

  /** Resolves when it is true. Looked at as often as the event loop turns in 10 ms. */
  async function until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  function watch(backends: readonly BackendSpec[], rules: Partial<UpstreamRules> = {}): TestUpstream {
    const made = upstream(backends, rules);
    health.update([made]);
    return made;
  }

  /** The same upstream with other backends, as the next snapshot has it. */
  function next(before: TestUpstream, backends: readonly BackendSpec[]): TestUpstream {
    const made = upstream(backends);
    return { ...made, state: before.state, spec: { ...made.spec, shared: before.spec.shared } };
  }

  describe("by checks", () => {
    it("takes a backend out after so many failures in a row, and in after so many successes", async (t) => {
      const origin = await Origin.start(t);
      const { backends } = watch([origin.checked({ failures: 3, successes: 2 })]);
      const { state } = backends[0]!;
      const names = {
        upstream: "origin",
        backend: `origin-${origin.port}`,
        address: `127.0.0.1:${origin.port}`,
      };
      await origin.checks(4);
      assert.equal(state.up, true);

      origin.status = 503;
      const down = await logged(0);
      assert.equal(state.check, Check.failed);
      const { time, ...said } = down;
      assert.equal(typeof time, "string");
      const reason = "expected status 200-399, got 503";
      assert.deepEqual(said, {
        ...{ level: "warn", msg: "backend down", ...names },
        ...{ from: "up", to: "down", reason, failed_checks: 3 },
      });
      assert.deepEqual(rooms, []);
      assert.equal(health.lastCheck("origin", names.backend)?.failure, reason);

      origin.status = 200;
      const { time: _, ...back } = await logged(1);
      assert.deepEqual(back, {
        ...{ level: "info", msg: "backend up", ...names },
        ...{ from: "down", to: "up", reason: "2 passed checks in a row" },
      });
      assert.equal(state.up, true);
      assert.deepEqual(rooms, ["origin"]);
      assert.deepEqual(health.changes("origin", names.backend), { up: 1, down: 1, readmitted: 0 });
      const { at, ms, failure } = health.lastCheck("origin", names.backend)!;
      assert.equal(failure, null);
      assert.ok(Date.now() - at >= 0 && Date.now() - at < 60_000 && ms > 0 && ms < 60_000, `${at} ${ms}`);
    });

    it("counts only failures in a row", async (t) => {
      const origin = await Origin.start(t);
      const { backends } = watch([origin.checked({ failures: 2, intervalMs: 1 })]);
      for (let i = 0; i < 10; i++) {
        origin.status = i % 2 === 0 ? 503 : 200;
        await origin.checks(1);
      }
      assert.equal(backends[0]!.state.up, true);
      assert.deepEqual(lines, []);
    });

    it("lets a new backend in after its first passed check, without a slow start", async (t) => {
      const origin = await Origin.start(t);
      const made = upstream([origin.checked({ successes: 1000 })], { slowStartMs: 60_000 });
      const { state } = made.backends[0]!;
      state.check = Check.awaited;
      health.update([made]);
      assert.equal(state.up, false);
      const line = await logged(0);
      assert.deepEqual([line.msg, line["from"], line["to"]], ["backend up", "awaiting_check", "up"]);
      assert.equal(line["reason"], "1 passed check");
      assert.deepEqual([state.up, state.slowStarting, rooms], [true, false, ["origin"]]);
    });

    it("takes a new backend for one that is down when its checks fail", async (t) => {
      const origin = await Origin.start(t, 500);
      const made = upstream([origin.checked({ failures: 2, successes: 3 })]);
      const { state } = made.backends[0]!;
      state.check = Check.awaited;
      health.update([made]);
      const down = await logged(0);
      assert.deepEqual([down["from"], down["to"], down["failed_checks"]], ["awaiting_check", "down", 2]);
      origin.status = 200;
      assert.equal((await logged(1))["reason"], "3 passed checks in a row");
      assert.equal(state.up, true);
    });

    it("starts a backend that comes back slowly, and ends that when the time is over", async (t) => {
      const origin = await Origin.start(t, 500);
      const { backends } = watch([origin.checked()], { slowStartMs: 300 });
      const { state } = backends[0]!;
      await logged(0);
      origin.status = 200;
      const before = Date.now();
      await logged(1);
      assert.equal(state.slowStarting, true);
      assert.ok(state.slowSince >= before && state.slowSince <= Date.now(), `${state.slowSince - before}`);
      await until(() => !state.slowStarting);
      const tookMs = Date.now() - state.slowSince;
      assert.ok(tookMs >= 300 && tookMs < 3000, `${tookMs}`);
    });

    it("brings a backend back whose checks were taken away", async () => {
      const spec = backendSpec({ port: 1, healthCheck: healthCheck() });
      const before = watch([spec]);
      await logged(0);
      const after = next(before, [{ ...spec, healthCheck: null }]);
      health.update([after]);
      const line = await logged(1);
      assert.deepEqual([line.msg, line["reason"]], ["backend up", "it is not checked any more"]);
      assert.equal(after.backends[0]!.state.up, true);
      assert.deepEqual(rooms, ["origin"]);
      assert.equal(health.lastCheck("origin", "origin-1"), null);
    });

    it("logs the path of a unix socket, and IPv6 addresses in brackets", async () => {
      const check = { healthCheck: healthCheck() };
      watch([
        backendSpec({ port: 0, host: "", socketPath: "/nowhere/backend.sock", ...check }),
        backendSpec({ port: 1, host: "::1", ...check }),
      ]);
      await logged(1);
      const addresses = lines.map((line) => line["address"]).sort();
      assert.deepEqual(addresses, ["[::1]:1", "unix:/nowhere/backend.sock"]);
    });

    it("begins with many backends in one second at most, and checks each", async (t) => {
      const origin = await Origin.start(t);
      const settings = { intervalMs: 600_000 };
      const many = Array.from({ length: 500 }, (_, i) => origin.checked(settings, { id: `b${i}` }));
      const startedAt = performance.now();
      watch(many);
      await origin.checks(many.length);
      const tookMs = performance.now() - startedAt;
      assert.ok(tookMs >= 900 && tookMs < 20_000, `${tookMs}`);
      await until(() => many.every(({ id }) => health.lastCheck("origin", id) !== null));
    });
  });

  describe("over snapshots", () => {
    it("goes on undisturbed with what is checked as before, counts and all", async (t) => {
      const origin = await Origin.start(t, 500);
      const spec = origin.checked({ failures: 4, intervalMs: 100 });
      let made = watch([spec]);
      // Each new snapshot would begin with a check of its own, and count from 1 again.
      for (let i = 0; i < 4; i++) {
        await origin.checks(1);
        made = next(made, [{ ...spec, weight: i + 1, healthCheck: structuredClone(spec.healthCheck) }]);
        health.update([made]);
      }
      const line = await logged(0);
      assert.equal(line["failed_checks"], 4);
      assert.ok(origin.asked < 8, `${origin.asked}`);
    });

    it("begins anew where a setting of the check changed", async (t) => {
      const [before, after] = [await Origin.start(t, 500), await Origin.start(t, 500)];
      const spec = before.checked({ failures: 3, intervalMs: 10_000 });
      const made = watch([spec]);
      await before.checks(1);
      const check = { ...spec.healthCheck!, port: after.port, intervalMs: 10 };
      health.update([next(made, [{ ...spec, healthCheck: check }])]);
      const line = await logged(0);
      assert.equal(line["failed_checks"], 3);
      assert.ok(after.asked >= 3);
      assert.equal(before.asked, 1);
    });

    it("ends the checks of a backend that is gone, and gives its ejection back", async (t) => {
      const origin = await Origin.start(t);
      const [gone, kept] = [origin.checked({}, { id: "gone" }), origin.checked({}, { id: "kept" })];
      const made = watch([gone, kept]);
      await origin.checks(2);
      const { state } = made.backends[0]!;
      made.state.tryEject(2);
      state.eject(Date.now(), 60_000, 60_000);
      health.update([next(made, [kept])]);
      assert.deepEqual([state.ejected, made.state.ejected], [false, 0]);
      assert.equal(health.changes("origin", "gone"), null);
      assert.equal(health.lastCheck("origin", "gone"), null);
      assert.notEqual(health.changes("origin", "kept"), null);
      const other = await Origin.start(t);
      health.update([upstream([other.checked()])]);
      await until(() => origin.sockets.size === 0);
      const { asked } = origin;
      // What had not ended would ask as often as the other.
      await other.checks(5);
      assert.equal(origin.asked, asked);
    });

    it("stops everything at the end, and leaves no connection", async (t) => {
      const origin = await Origin.start(t);
      const silent = await RawBackend.start(() => {});
      t.after(() => silent.stop());
      const waiting = healthCheck({ timeoutMs: 60_000 });
      watch([origin.checked(), backendSpec({ port: silent.port, healthCheck: waiting })]);
      const held = await silent.connection(0);
      await origin.checks(1);
      health.stop();
      await held.untilEnd();
      await until(() => origin.sockets.size === 0);
      const { asked } = origin;
      const another = new Health(createLog(), () => {});
      t.after(() => another.stop());
      const other = await Origin.start(t);
      another.update([upstream([other.checked()])]);
      await other.checks(5);
      assert.deepEqual([origin.asked, lines], [asked, []]);
    });
  });

  describe("by ejections", () => {
    const rules = { ejection: ejection({ timeMs: 150, maxTimeMs: 600 }) };

    function eject({ state, backends }: TestUpstream): void {
      assert.ok(state.tryEject(1));
      assert.ok(backends[0]!.state.eject(Date.now(), 150, 600));
    }

    it("lets a backend in again when the time is over, slowly", async () => {
      const made = watch([backendSpec({ port: 1 })], { ...rules, slowStartMs: 60_000 });
      const { state } = made.backends[0]!;
      eject(made);
      const { time: _, ...line } = await logged(0);
      assert.ok(Date.now() >= state.ejectedUntil);
      assert.deepEqual(line, {
        ...{ level: "info", msg: "backend back after ejection" },
        ...{ upstream: "origin", backend: "origin-1", address: "127.0.0.1:1" },
        ...{ from: "ejected", to: "up", reason: "its time is over" },
      });
      assert.deepEqual([state.up, state.slowStarting, made.state.ejected], [true, true, 0]);
      assert.deepEqual(rooms, ["origin"]);
      assert.deepEqual(health.changes("origin", "origin-1"), { up: 0, down: 0, readmitted: 1 });
    });

    it("forgets the failures of before", async () => {
      const made = watch([backendSpec({ port: 1 })], rules);
      const { state } = made.backends[0]!;
      const window = state.window(rules.ejection.windowMs);
      eject(made);
      // As exchanges do that were under way.
      for (let i = 0; i < 4; i++) {
        state.addFailure();
        window.add(Date.now(), true);
      }
      await logged(0);
      assert.deepEqual([state.addFailure(), window.all(Date.now())], [1, 0]);
    });

    it("leaves it out for longer each time in a row, and forgives when it does well for as long", async () => {
      const made = watch([backendSpec({ port: 1 })], rules);
      const { state } = made.backends[0]!;
      const lengths = [];
      for (let i = 0; i < 3; i++) {
        const at = Date.now();
        eject(made);
        await logged(i);
        lengths.push(state.ejectedUntil - at);
      }
      assert.deepEqual(
        lengths.map((ms) => Math.round(ms / 150)),
        [1, 2, 4],
      );
      const backAt = Date.now();
      await until(() => state.ejectionsInARow === 0);
      assert.ok(Date.now() - backAt >= 600 - 110, `${Date.now() - backAt}`);
      assert.equal(state.ejections, 3);
    });

    it("leaves a backend out that its checks have taken out", async () => {
      const spec = backendSpec({ port: 1, healthCheck: healthCheck() });
      const made = watch([spec], rules);
      await logged(0);
      eject(made);
      const line = await logged(1);
      assert.deepEqual([line.msg, line["to"]], ["backend back after ejection", "down"]);
      assert.deepEqual([made.backends[0]!.state.up, rooms], [false, []]);
    });

    it("does not outlast that its backend was down and is well again", async (t) => {
      const origin = await Origin.start(t, 500);
      const made = watch([origin.checked()], { ejection: ejection({ timeMs: 60_000 }) });
      await logged(0);
      assert.ok(made.state.tryEject(1));
      assert.ok(made.backends[0]!.state.eject(Date.now(), 60_000, 60_000));
      origin.status = 200;
      const line = await logged(1);
      assert.deepEqual([line.msg, line["from"], line["to"]], ["backend up", "down", "up"]);
      assert.deepEqual([made.backends[0]!.state.up, made.state.ejected, rooms], [true, 0, ["origin"]]);
      const changes = { up: 1, down: 1, readmitted: 1 };
      assert.deepEqual(health.changes("origin", `origin-${origin.port}`), changes);
    });

    it("goes on while checks pass as before", async (t) => {
      const origin = await Origin.start(t);
      const made = watch([origin.checked()], { ejection: ejection({ timeMs: 60_000 }) });
      assert.ok(made.state.tryEject(1));
      assert.ok(made.backends[0]!.state.eject(Date.now(), 60_000, 60_000));
      await origin.checks(5);
      assert.deepEqual([made.backends[0]!.state.ejected, lines, rooms], [true, [], []]);
    });

    it("ends all when it is turned off", async () => {
      const made = watch([backendSpec({ port: 1 })], { ejection: ejection({ timeMs: 60_000 }) });
      assert.ok(made.state.tryEject(1));
      assert.ok(made.backends[0]!.state.eject(Date.now(), 60_000, 60_000));
      health.update([{ ...made, spec: { ...made.spec, ejection: null } }]);
      assert.equal((await logged(0))["reason"], "ejection was turned off");
      assert.deepEqual([made.backends[0]!.state.up, made.state.ejected], [true, 0]);
    });

    it("sets a count right that has lost its backend", async () => {
      const made = watch([backendSpec({ port: 1 })], rules);
      // As a data thread leaves it that dies between the two.
      made.state.tryEject(1);
      await until(() => made.state.ejected === 0);
    });
  });
});
