// When deadlines fire: tables, and agreement with a naive clock. Runs in the test process.

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Deadlines, Timed } from "./deadlines.ts";

const TICK_MS = 100;

class Alarm extends Timed {
  readonly firedAt: number[] = [];
  readonly #then: (alarm: Alarm) => void;
  readonly #deadlines: Deadlines;

  constructor(deadlines: Deadlines, then: (alarm: Alarm) => void = () => {}) {
    super();
    this.#deadlines = deadlines;
    this.#then = then;
  }

  override onDeadline(): void {
    this.firedAt.push(this.#deadlines.now);
    this.#then(this);
  }
}

/** Sweeps every 100 ms, as the timer does, until the clock shows `untilMs`. */
function run(deadlines: Deadlines, untilMs: number): void {
  for (let at = TICK_MS * Math.ceil((deadlines.now + 1) / TICK_MS); at <= untilMs; at += TICK_MS)
    deadlines.sweep(at);
}

/** One turn of the wheel is 102,400 ms. */
const TIMEOUTS_MS = [1, 99, 100, 101, 999, 30_000, 102_300, 102_400, 102_500, 250_000, 3_600_000];

describe("deadlines", () => {
  for (const timeoutMs of TIMEOUTS_MS) {
    it(`fires once, ${timeoutMs} ms after it was set and at most two ticks late`, () => {
      const deadlines = new Deadlines();
      const alarm = new Alarm(deadlines);
      deadlines.set(alarm, timeoutMs);
      run(deadlines, timeoutMs + 200_000);
      assert.equal(alarm.firedAt.length, 1);
      const late = alarm.firedAt[0]! - timeoutMs;
      assert.ok(late >= 0 && late <= 2 * TICK_MS, `${late} ms late`);
    });
  }

  it("fires at the later time when it was moved away", () => {
    const deadlines = new Deadlines();
    const alarm = new Alarm(deadlines);
    deadlines.set(alarm, 500);
    run(deadlines, 400);
    deadlines.set(alarm, 1000);
    run(deadlines, 1399);
    assert.deepEqual(alarm.firedAt, []);
    run(deadlines, 1600);
    assert.equal(alarm.firedAt.length, 1);
  });

  it("fires at the earlier time when it was moved near", () => {
    const deadlines = new Deadlines();
    const alarm = new Alarm(deadlines);
    deadlines.set(alarm, 300_000);
    deadlines.set(alarm, 200);
    run(deadlines, 400);
    assert.equal(alarm.firedAt.length, 1);
    run(deadlines, 400_000);
    assert.equal(alarm.firedAt.length, 1);
  });

  for (const call of ["clear", "remove"] as const) {
    it(`never fires after ${call}, and can be set again`, () => {
      const deadlines = new Deadlines();
      const alarm = new Alarm(deadlines);
      deadlines.set(alarm, 200);
      deadlines[call](alarm);
      run(deadlines, 1000);
      assert.deepEqual(alarm.firedAt, []);
      deadlines.set(alarm, 200);
      run(deadlines, 1400);
      assert.equal(alarm.firedAt.length, 1);
    });
  }

  for (const call of ["clear", "remove"] as const) {
    it(`leaves alone what another one has stopped with ${call} in the same sweep`, () => {
      const deadlines = new Deadlines();
      const alarms: Alarm[] = [];
      const stopOthers = (self: Alarm) => {
        for (const alarm of alarms) if (alarm !== self) deadlines[call](alarm);
      };
      for (let i = 0; i < 3; i++) alarms.push(new Alarm(deadlines, stopOthers));
      for (const alarm of alarms) deadlines.set(alarm, 300);
      run(deadlines, 2000);
      assert.equal(alarms.flatMap((alarm) => alarm.firedAt).length, 1);
    });
  }

  it("fires again for one that sets itself again when it fires", () => {
    const deadlines = new Deadlines();
    const alarm = new Alarm(deadlines, (self) => deadlines.set(self, 1000));
    deadlines.set(alarm, 1000);
    run(deadlines, 12_000);
    assert.ok(alarm.firedAt.length >= 9 && alarm.firedAt.length <= 12, `${alarm.firedAt.length} times`);
  });

  it("does not count time in which the thread stood still against what was waiting", () => {
    const deadlines = new Deadlines();
    const waiting = new Alarm(deadlines);
    deadlines.set(waiting, 1000);
    run(deadlines, 500);
    // A suspended machine, or a loop that was blocked: what has arrived meanwhile is read only after this sweep.
    deadlines.sweep(60_000);
    assert.deepEqual(waiting.firedAt, []);
    for (let at = 60_100; at <= 61_000; at += TICK_MS) deadlines.sweep(at);
    assert.equal(waiting.firedAt.length, 1);
  });

  it("fires what is set in the turn after a standstill at most one tick early", () => {
    const deadlines = new Deadlines();
    const alarm = new Alarm(deadlines);
    run(deadlines, 500);
    // Set at 59,990, before the timer had its turn.
    deadlines.set(alarm, 1000);
    deadlines.sweep(60_000);
    for (let at = 60_100; at <= 60_800; at += TICK_MS) deadlines.sweep(at);
    assert.deepEqual(alarm.firedAt, []);
    for (let at = 60_900; at <= 61_200; at += TICK_MS) deadlines.sweep(at);
    assert.equal(alarm.firedAt.length, 1);
  });

  it("is swept by a timer of its own between start and stop", async () => {
    const deadlines = new Deadlines();
    const events = new EventTarget();
    const alarm = new Alarm(deadlines, () => events.dispatchEvent(new Event("fired")));
    deadlines.start();
    const startedAt = performance.now();
    deadlines.set(alarm, 150);
    // The timer of the deadlines is unreferenced.
    const alive = setInterval(() => {}, 1000);
    await once(events, "fired");
    clearInterval(alive);
    deadlines.stop();
    assert.ok(performance.now() - startedAt >= 150);
  });

  it("agrees with a naive clock, whatever is set, moved, cleared and removed", () => {
    const entry = fc.nat(4);
    const operation = fc.oneof(
      fc.record({
        kind: fc.constant("set"),
        entry,
        timeoutMs: fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: 250_000 })),
        /** After the last sweep. */
        offsetMs: fc.nat(TICK_MS),
      }),
      fc.record({ kind: fc.constant("clear"), entry }),
      fc.record({ kind: fc.constant("remove"), entry }),
      fc.record({
        kind: fc.constant("sweep"),
        times: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 1500 })),
      }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const deadlines = new Deadlines();
        const dueAt = new Map<Alarm, number>();
        let now = 0;
        const alarms = Array.from({ length: 5 }, () => {
          return new Alarm(deadlines, (alarm) => {
            const due = dueAt.get(alarm);
            assert.ok(due !== undefined, "fired without a deadline");
            assert.ok(now >= due, `fired ${due - now} ms early`);
            dueAt.delete(alarm);
          });
        });
        const sweep = () => {
          now += TICK_MS;
          deadlines.sweep(now);
          for (const due of dueAt.values()) assert.ok(now <= due + 2 * TICK_MS, `${now - due} ms late`);
        };
        for (const operation of operations) {
          if ("times" in operation) {
            for (let i = 0; i < operation.times; i++) sweep();
            continue;
          }
          const alarm = alarms[operation.entry]!;
          if ("timeoutMs" in operation) {
            deadlines.set(alarm, operation.timeoutMs);
            dueAt.set(alarm, now + operation.offsetMs + operation.timeoutMs);
          } else {
            deadlines[operation.kind as "clear" | "remove"](alarm);
            dueAt.delete(alarm);
          }
        }
        for (let i = 0; i < 2600; i++) sweep();
        assert.equal(dueAt.size, 0, "never fired");
      }),
      { numRuns: 200 },
    );
  });
});
