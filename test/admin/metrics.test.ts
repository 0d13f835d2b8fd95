// What Prometheus gets, held to a strict reading of its format. Runs in the test process.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Exposition } from "../../src/control/admin/exposition.ts";
import { ERRORS, type ErrorCode, GatewayError } from "../../src/core/errors.ts";
import { Histogram } from "../../src/core/histogram.ts";
import { Counter } from "../../src/core/metrics.ts";
import { Check } from "../../src/core/shared/backend-state.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { get, startAdmin } from "./setting.ts";
import { readExposition } from "./strict-exposition.ts";

const DOCUMENT = readFileSync(new URL("../../docs/admin.md", import.meta.url), "utf8");
const CONFIG = `
backends:
  shop:
    - { id: one, host: 127.0.0.1, port: 8001, max_conn: 50 }
    - { id: 'a "quoted" \\ id', host: 127.0.0.1, port: 8002 }
`;
const EXCHANGE = { bytesIn: 10, bytesOut: 20, upstreamMs: -1, error: null, cut: false };

async function scrape(port: number): Promise<Map<string, number>> {
  const { body } = await get(port, "/metrics");
  return new Map([...readExposition(body).values()].flatMap(({ samples }) => [...samples]));
}

describe("/metrics", () => {
  it("is in the text format of Prometheus, with names of the gateway or of any process", async (t) => {
    const { port } = await startAdmin(t, CONFIG);
    const { fields, body } = await get(port, "/metrics");
    assert.deepEqual(valuesOf(fields, "content-type"), ["text/plain; version=0.0.4; charset=utf-8"]);
    const families = [...readExposition(body).values()];
    for (const { name, help } of families) {
      assert.match(name, /^(sluice|process)_/);
      assert.match(help, /\.$/);
    }
    assert.ok(families.length > 40, String(families.length));
  });

  it("is documented, name by name", async (t) => {
    const { port } = await startAdmin(t, CONFIG);
    const names = [...readExposition((await get(port, "/metrics")).body).keys()];
    const missing = names.filter((name) => !DOCUMENT.includes(`\`${name}\``));
    assert.deepEqual(missing, []);
  });

  it("has every counter of the gateway, each in one place", async (t) => {
    const { port, view } = await startAdmin(t, CONFIG);
    const before = await scrape(port);
    for (const [i, cell] of Object.values(Counter).entries()) view.thread(i % 2).add(cell, 1000 + i);
    const after = await scrape(port);
    const grown = [...after].map(([series, value]) => value - (before.get(series) ?? 0));
    for (const [name, cell] of Object.entries(Counter))
      assert.equal(grown.filter((growth) => growth === 1000 + cell).length, 1, name);
  });

  it("has failures by code and by who is at fault", async (t) => {
    const { port, view } = await startAdmin(t, CONFIG);
    const codes = Object.keys(ERRORS) as ErrorCode[];
    for (const [i, code] of codes.entries()) {
      const exchange = { ...EXCHANGE, status: 500, error: new GatewayError(code, "") };
      for (let n = 0; n <= i; n++) view.thread(n % 2).finished(exchange, 1);
    }
    const found = await scrape(port);
    for (const [i, code] of codes.entries())
      assert.equal(found.get(`sluice_failures_total{code="${code}",source="${ERRORS[code].source}"}`), i + 1);
    assert.equal(found.get('sluice_responses_total{code="5xx"}'), found.get("sluice_requests_total"));
  });

  it("has times in seconds, in cumulative buckets", async (t) => {
    const { port, view } = await startAdmin(t, CONFIG);
    for (const ms of [0.05, 0.4, 0.4, 3, 700, 120_000])
      view.thread(0).finished({ ...EXCHANGE, status: 200 }, ms);
    view.thread(1).finished({ ...EXCHANGE, status: 200, upstreamMs: 40 }, 50);
    const found = await scrape(port);
    const upTo = (le: string) => found.get(`sluice_request_duration_seconds_bucket{le="${le}"}`);
    assert.deepEqual(
      ["0.0001", "0.00025", "0.0005", "0.0025", "0.005", "0.025", "0.1", "0.5", "1", "60", "+Inf"].map(upTo),
      [1, 1, 3, 3, 4, 4, 5, 5, 6, 6, 7],
    );
    assert.equal(found.get("sluice_request_duration_seconds_count"), 7);
    assert.ok(Math.abs(found.get("sluice_request_duration_seconds_sum")! - 120.75385) < 1e-9);
    assert.equal(found.get("sluice_upstream_duration_seconds_count"), 1);
    assert.equal(found.get("sluice_upstream_duration_seconds_sum"), 0.04);
  });

  it("has every backend and upstream as the data threads see them", async (t) => {
    const { port, view } = await startAdmin(t, CONFIG);
    const share = view.share("one", 1);
    share.tryConnect(9);
    share.beginExchange();
    share.countRequest();
    share.countResponse(404);
    share.countFailure();
    share.eject(Date.now(), 60_000, 60_000);
    view.backend('a "quoted" \\ id').state.check = Check.failed;
    view.upstream("shop").state.line.join(0);
    view.upstream("shop").state.open(Date.now() + 60_000);
    const found = await scrape(port);
    const one = 'upstream="shop",backend="one"';
    for (const [series, value] of [
      [`sluice_backend_up{${one}}`, 0],
      [`sluice_backend_state{${one},state="ejected"}`, 1],
      [`sluice_backend_state{${one},state="up"}`, 0],
      [`sluice_backend_connections{${one}}`, 1],
      [`sluice_backend_max_connections{${one}}`, 50],
      [`sluice_backend_in_flight{${one}}`, 1],
      [`sluice_backend_requests_total{${one}}`, 1],
      [`sluice_backend_failures_total{${one}}`, 1],
      [`sluice_backend_responses_total{${one},code="4xx"}`, 1],
      [`sluice_backend_responses_total{${one},code="2xx"}`, 0],
      [`sluice_backend_ejections_total{${one}}`, 1],
      ['sluice_backend_state{upstream="shop",backend="a \\"quoted\\" \\\\ id",state="down"}', 1],
      ['sluice_upstream_waiting{upstream="shop"}', 1],
      ['sluice_upstream_circuit{upstream="shop",state="open"}', 1],
      ['sluice_upstream_circuit{upstream="shop",state="closed"}', 0],
      ['sluice_data_thread_active_seconds_total{thread="0"}', 0.25],
      ['sluice_build_info{version="1.2.3"}', 1],
      ["sluice_ready", 1],
      ["sluice_snapshot_version", 7],
    ] as const)
      assert.equal(found.get(series), value, series);
    for (const name of [
      "process_cpu_seconds_total",
      "process_resident_memory_bytes",
      "process_start_time_seconds",
    ])
      assert.ok(found.get(name)! > 0, name);
  });

  it("never goes back", async (t) => {
    const { port, view } = await startAdmin(t, CONFIG);
    const thread = view.thread(0);
    let before = new Map<string, number>();
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 100; i++) thread.finished({ ...EXCHANGE, status: 200 }, i);
      thread.tryAcquireConnection(1e9);
      view.share("one", 0).countRequest();
      const found = await scrape(port);
      for (const [series, value] of before)
        if (/_total|_bucket|_sum|_count/.test(series)) assert.ok(found.get(series)! >= value, series);
      before = found;
    }
  });
});

describe("an exposition", () => {
  it("keeps samples of one name together, in whichever order they come", () => {
    const out = new Exposition();
    out.gauge("a", "A.", 1, { x: "1" });
    out.counter("b_total", "B.", 2);
    out.gauge("a", "A.", 3, { x: "2" });
    assert.equal(
      out.text,
      '# HELP a A.\n# TYPE a gauge\na{x="1"} 1\na{x="2"} 3\n# HELP b_total B.\n# TYPE b_total counter\nb_total 2\n',
    );
  });

  it("escapes what would end a label or a line", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("\\", "n", '"', "\n", "}", ",", "é") }), (label) => {
        const out = new Exposition();
        out.gauge("a", "one\ntwo\\n", 1, { label });
        const { help, samples } = readExposition(out.text).get("a")!;
        assert.equal(help, "one\\ntwo\\\\n");
        const [, written = ""] = /^a\{label="(.*)"\}$/s.exec([...samples.keys()][0]!) ?? [];
        assert.equal(
          written.replace(/\\(.)/g, (_, character) => (character === "n" ? "\n" : character)),
          label,
        );
      }),
    );
  });

  it("writes any histogram cumulatively", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1e9, noNaN: true })), (values) => {
        const histogram = new Histogram();
        for (const value of values) histogram.record(value);
        const out = new Exposition();
        out.histogram("a_seconds", "A.", histogram);
        const { samples } = readExposition(out.text).get("a_seconds")!;
        assert.equal(samples.get("a_seconds_count"), values.length);
        const upToTen = samples.get('a_seconds_bucket{le="10"}')!;
        assert.ok(upToTen <= values.filter((value) => Math.floor(value) <= 10_000_000).length);
        assert.ok(upToTen >= values.filter((value) => value <= 9_600_000).length);
      }),
    );
  });
});
