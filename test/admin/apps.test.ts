// What the admin API tells of apps. Runs in the test process; real VMs are asked in test/apps/supervisor-*.test.ts.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import type { AppReport } from "../../src/control/apps/app-report.ts";
import { HISTOGRAM_CELLS, Histogram } from "../../src/core/histogram.ts";
import { errorOf, get, getJson, startAdmin } from "./setting.ts";
import { readExposition } from "./strict-exposition.ts";

const DOCUMENT = readFileSync(new URL("../../docs/admin.md", import.meta.url), "utf8");
function waited(us: number): Histogram {
  const waits = new Histogram(new Float64Array(HISTOGRAM_CELLS));
  waits.record(us);
  return waits;
}

const VM = {
  id: 7,
  pid: 4000,
  state: "serving",
  ageMs: 61_234,
  requests: 100,
  outstanding: 3,
  running: 2,
  queued: 1,
  abandoned: 4,
  pending: 5,
  heap: 1000,
  external: 2000,
  rss: 3000,
  cpuMs: 1500,
  eventLoop: 0.25,
  handles: 6,
} as const;
const APP: AppReport = {
  name: "hello",
  version: "abc",
  state: "serving",
  reason: null,
  instances: 1,
  isolation: "none",
  outcomes: { exited: 1, crashed: 2, hung: 3, out_of_memory: 4, replaced: 5 },
  queue: { queued: 1, waiting: 2, rejected: 3, timedOut: 4, waits: waited(5000) },
  vms: [VM],
};
const OLD: AppReport = {
  ...APP,
  version: "old",
  state: "draining",
  vms: [{ ...VM, id: 6, state: "draining" }],
};
const OTHER: AppReport = { ...APP, name: "other", state: "unavailable", reason: "it crashed", vms: [] };

describe("/api/v1/apps", () => {
  it("has every version of every app with its VMs, as documented", async (t) => {
    const { port, view } = await startAdmin(t, "backends: {}");
    view.apps = [APP, OTHER, OLD];
    const { apps } = (await getJson(port, "/api/v1/apps")) as { apps: Record<string, unknown>[] };
    const { ageMs, cpuMs, eventLoop, ...vm } = VM;
    const answered = { ...vm, age_seconds: 61.23, cpu_seconds: 1.5, event_loop_usage: 25 };
    const wait_ms = { p50: 5, p90: 5, p99: 5, max: 5 };
    const queue = { queued: 1, waiting: 2, rejected: 3, timed_out: 4, waited: 1, wait_ms };
    assert.deepEqual(apps[0], { ...APP, queue, vms: [answered] });
    assert.deepEqual(
      apps.map(({ name, state }) => [name, state]),
      [
        ["hello", "serving"],
        ["other", "unavailable"],
        ["hello", "draining"],
      ],
    );
    for (const field of [...Object.keys(apps[0]!), ...Object.keys(queue), ...Object.keys(answered)])
      assert.ok(DOCUMENT.includes(`"${field}": `), field);
  });

  it("has one of them where it is asked for", async (t) => {
    const { port, view } = await startAdmin(t, "backends: {}");
    view.apps = [APP, OTHER];
    const { apps } = (await getJson(port, "/api/v1/apps?app=other")) as { apps: Record<string, unknown>[] };
    assert.deepEqual(
      apps.map(({ name, reason }) => [name, reason]),
      [["other", "it crashed"]],
    );
    const unknown = await get(port, "/api/v1/apps?app=othr");
    assert.equal(errorOf(unknown), "404 unknown_app");
    assert.match(unknown.body, /did you mean \\"other\\"/);
    assert.equal(errorOf(await get(port, "/api/v1/apps?name=other")), "400 invalid_request");
  });
});

describe("/metrics", () => {
  it("has apps and VMs, each name documented, an app once for all of its versions", async (t) => {
    const { port, view } = await startAdmin(t, "backends: {}");
    view.apps = [APP, OTHER, OLD];
    const families = readExposition((await get(port, "/metrics")).body);
    const names = [...families.keys()].filter((name) => /^sluice_(app|vm)_/.test(name));
    assert.equal(names.length, 20);
    assert.deepEqual(
      names.filter((name) => !DOCUMENT.includes(`\`${name}\``)),
      [],
    );
    const samples = new Map([...families.values()].flatMap((family) => [...family.samples]));
    assert.equal(samples.get('sluice_app_vm_ends_total{app="hello",outcome="hung"}'), 3);
    assert.equal(samples.get('sluice_app_vms{app="hello",state="draining"}'), 1);
    assert.equal(samples.get('sluice_app_available{app="hello"}'), 1);
    assert.equal(samples.get('sluice_app_available{app="other"}'), 0);
    assert.equal(samples.get('sluice_vm_outstanding{app="hello",vm="6"}'), 3);
  });
});
