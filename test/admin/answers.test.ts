// What the admin API answers, over real shared memory that is written as data threads write it. Runs in the test process.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { describe, it } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import { Counter } from "../../src/core/metrics.ts";
import { Check } from "../../src/core/shared/backend-state.ts";
import { ask } from "../http/client.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { AUTHORIZATION, errorOf, get, getJson, post, startAdmin } from "./setting.ts";

const DOCUMENT = readFileSync(new URL("../../docs/admin.md", import.meta.url), "utf8");
const CONFIG = `
backends:
  shop:
    - { id: one, host: 127.0.0.1, port: 8001, weight: 3, max_conn: 50 }
    - { id: two, host: "::1", port: 8002, backup: true }
  files:
    - { id: three, socket: /run/files.sock }
upstreams:
  shop: { slow_start: 1m, circuit_breaker: { pending: 100 } }
`;
const PERFORMANCE = { cpu_usage: 50, memory_usage: 100, load: 0 };

type Json = Record<string, unknown>;

describe("the numbers of the server", () => {
  it("are those of this machine", async (t) => {
    const { port } = await startAdmin(t, CONFIG);
    const { stats } = (await getJson(port, "/api/v1/stats/server")) as { stats: Record<string, number> };
    for (const name of ["cpu_usage", "memory_usage", "disk_usage"])
      assert.ok(stats[name]! >= 0 && stats[name]! <= 100, `${name} is ${stats[name]}`);
    assert.ok(stats["memory_usage"]! > 0 && stats["disk_usage"]! > 0);
    const total = Number(/^MemTotal: +(\d+)/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1]) * 1024;
    assert.equal(stats["memory_total"], total);
    for (const [i, name] of ["load_avg_1", "load_avg_5", "load_avg_15"].entries())
      assert.ok(Math.abs(stats[name]! - loadavg()[i]!) < 10, `${name} is ${stats[name]}`);
    for (const name of ["network_in", "network_out", "network_in_total", "network_out_total"])
      assert.ok(stats[name]! >= 0, `${name} is ${stats[name]}`);
    assert.ok(Math.abs(stats["timestamp"]! - Date.now()) < 60_000);
  });

  it("are those of the gateway, over all data threads", async (t) => {
    const { port, view } = await startAdmin(t, CONFIG);
    const [one, two] = [view.thread(0), view.thread(1)];
    const exchange = { bytesIn: 10, bytesOut: 20, upstreamMs: 1, error: null, cut: false };
    for (let i = 0; i < 98; i++) one.finished({ ...exchange, status: 200 }, 2);
    const error = new GatewayError("connect_failed", "");
    two.finished({ ...exchange, status: 502, upstreamMs: -1, error }, 50);
    two.finished({ ...exchange, status: 404, cut: true }, 4);
    one.add(Counter.connectionsAccepted, 5);
    two.add(Counter.refusedAtFileLimit, 2);
    one.tryAcquireConnection(9);
    two.tryAcquireConnection(9);

    const { stats } = (await getJson(port, "/api/v1/stats/server")) as { stats: Json };
    const { failures, latency_ms, latency_60s_ms, requests_per_second, ...others } = stats;
    const picked = Object.fromEntries(Object.entries(others).filter(([name]) => name in EXPECTED));
    assert.deepEqual(picked, EXPECTED);
    const { connect_failed, ...rest } = failures as Record<string, number>;
    assert.equal(connect_failed, 1);
    assert.deepEqual(new Set(Object.values(rest)), new Set([0]));
    const { requests, upstream } = latency_ms as Record<string, Record<string, number>>;
    assert.deepEqual([requests!["max"], upstream!["max"]], [50, 1]);
    assert.ok(requests!["p50"]! >= 2 && requests!["p50"]! <= 2.1);
    assert.ok(requests!["p99"]! >= 4 && requests!["p99"]! <= 4.2);
    assert.ok(requests!["p99.9"]! >= 50 && requests!["p99.9"]! <= 52);
    // All of it happened in the last minute.
    const recent = (latency_60s_ms as Json)["requests"] as Record<string, number>;
    assert.deepEqual([recent["p50"], recent["p99"]], [requests!["p50"], requests!["p99"]]);
    for (const rate of Object.values(requests_per_second as Record<string, number>)) assert.ok(rate > 0);
  });

  const EXPECTED = {
    version: "1.2.3",
    state: "ready",
    snapshot_version: 7,
    uptime_seconds: 5,
    connections: 2,
    connections_accepted: 5,
    connections_refused: { max_conn: 0, max_conn_per_client: 0, file_limit: 2, proxy_protocol: 0 },
    requests: 100,
    responses: { "1xx": 0, "2xx": 98, "3xx": 0, "4xx": 1, "5xx": 1 },
    responses_aborted: 1,
    bytes_in: 1000,
    bytes_out: 2000,
  };

  it("are documented, name by name", async (t) => {
    const { port } = await startAdmin(t, CONFIG);
    const { stats } = (await getJson(port, "/api/v1/stats/server")) as { stats: Json };
    const { backends, upstreams } = (await getJson(port, "/api/v1/backends")) as Record<string, Json[]>;
    const missing = Object.keys({ ...stats, ...backends![0], ...upstreams![0] }).filter((name) => {
      return !DOCUMENT.includes(`\`${name}\``) && !DOCUMENT.includes(`"${name}"`);
    });
    assert.deepEqual(missing, []);
  });

  it("tell how busy each data thread is, also after it was started again", async (t) => {
    const { port, view } = await startAdmin(t, CONFIG);
    const usage = async () => {
      const { stats } = (await getJson(port, "/api/v1/stats/server")) as { stats: Json };
      return stats["data_threads"];
    };
    view.dataThreads = [
      { index: 0, running: true, eventLoop: { active: 550, idle: 1450 } },
      { index: 1, running: false, eventLoop: { active: 30, idle: 10 } },
    ];
    assert.deepEqual(await usage(), [
      { index: 0, running: true, event_loop_usage: 30 },
      { index: 1, running: false, event_loop_usage: 75 },
    ]);
    view.dataThreads = [];
    assert.deepEqual(await usage(), []);
  });
});

describe("the backends", () => {
  const list = async (port: number, query = "") =>
    (await getJson(port, `/api/v1/backends${query}`)) as { backends: Json[]; upstreams: Json[] };

  it("are all of them, in the order of the file", async (t) => {
    const { port } = await startAdmin(t, CONFIG);
    const { backends, upstreams } = await list(port);
    assert.deepEqual(
      backends.map(({ upstream, id, address, weight, backup, max_conn, state }) => {
        return [upstream, id, address, weight, backup, max_conn, state];
      }),
      [
        ["shop", "one", "127.0.0.1:8001", 3, false, 50, "up"],
        ["shop", "two", "[::1]:8002", 100, true, 1000, "up"],
        ["files", "three", "unix:/run/files.sock", 100, false, 1000, "up"],
      ],
    );
    assert.deepEqual(
      upstreams.map(({ name, backends: count, backends_up }) => [name, count, backends_up]),
      [
        ["shop", 2, 2],
        ["files", 1, 1],
      ],
    );
  });

  it("are those of the upstream that was asked for", async (t) => {
    const { port } = await startAdmin(t, CONFIG);
    const { backends, upstreams } = await list(port, "?upstream=files");
    assert.deepEqual(
      [backends.map(({ id }) => id), upstreams.map(({ name }) => name)],
      [["three"], ["files"]],
    );
    assert.equal((await list(port, "?upstream=")).backends.length, 3);
  });

  it("come with what all data threads count", async (t) => {
    const { port, view } = await startAdmin(t, CONFIG);
    for (const thread of [0, 1]) {
      const share = view.share("one", thread);
      share.tryConnect(9);
      share.tryConnect(9);
      share.beginExchange();
      for (const status of [200, 204, 301, 404, 503]) {
        share.countRequest();
        share.countResponse(status);
      }
      share.countFailure();
    }
    const lastCheck = { at: 1_700_000_000_000, ms: 2.5, failure: "no answer" };
    view.records.set("one", { changes: { up: 1, down: 2, readmitted: 3 }, lastCheck });
    view.backend("one").state.report(0.5, Date.now());
    view.backend("one").state.recordTime(5000, Date.now());
    const { response_time_ms, utilisation, ...found } = (await list(port, "?upstream=shop")).backends[0]!;
    assert.deepEqual(found, {
      upstream: "shop",
      id: "one",
      address: "127.0.0.1:8001",
      weight: 3,
      backup: false,
      state: "up",
      ejected_until: null,
      ejections: 0,
      connections: 4,
      in_flight: 2,
      max_conn: 50,
      requests: 10,
      failures: 2,
      responses: { "2xx": 4, "3xx": 2, "4xx": 2, "5xx": 2 },
      state_changes: { up: 1, down: 2, readmitted: 3 },
      last_check: lastCheck,
    });
    assert.ok(Number(response_time_ms) > 0 && Number(response_time_ms) <= 5, String(response_time_ms));
    assert.ok(Number(utilisation) > 0 && Number(utilisation) <= 0.5, String(utilisation));
  });

  it("come with what their upstream waits for", async (t) => {
    const { port, view } = await startAdmin(t, CONFIG);
    const { state } = view.upstream("shop");
    state.line.join(0);
    state.line.join(1);
    state.tryPend(0, 9);
    for (let i = 0; i < 5; i++) state.retries.add(Date.now(), i === 0);
    state.open(Date.now() + 60_000);
    const { upstreams } = await list(port, "?upstream=shop");
    const counts = { backends: 2, backends_up: 2, waiting: 2, pending: 1, requests: 5, retries: 1 };
    assert.deepEqual(upstreams, [{ name: "shop", circuit: "open", ...counts }]);
  });

  it("tell what keeps each of them out, or slow", async (t) => {
    const { port, view } = await startAdmin(t, CONFIG);
    const { state } = view.backend("one");
    const found = async () => {
      const { backends, upstreams } = await list(port, "?upstream=shop");
      return [backends[0]!["state"], upstreams[0]!["backends_up"]];
    };
    state.startSlowly(Date.now());
    assert.deepEqual(await found(), ["slow_start", 2]);
    const until = Date.now();
    assert.ok(state.eject(until, 60_000, 60_000));
    assert.deepEqual(await found(), ["ejected", 1]);
    assert.equal((await list(port)).backends[0]!["ejected_until"], until + 60_000);
    assert.equal((await list(port)).backends[0]!["ejections"], 1);
    state.check = Check.failed;
    assert.deepEqual(await found(), ["down", 1]);
    state.check = Check.awaited;
    assert.deepEqual(await found(), ["awaiting_check", 1]);
    state.check = Check.passed;
    state.readmit();
    state.startSlowly(Date.now() - 61_000);
    assert.deepEqual(await found(), ["up", 2]);
  });

  for (const [query, expected, message] of [
    ["?upstream=shpo", "404 unknown_upstream", 'There is no upstream "shpo": did you mean "shop"?'],
    [
      "?upstream=none",
      "404 unknown_upstream",
      'There is no upstream "none": expected one of "shop", "files"',
    ],
    [
      "?upstream=%22%0A",
      "404 unknown_upstream",
      'There is no upstream "\\"\\n": expected one of "shop", "files"',
    ],
    [
      "?upstream=a&upstream=b",
      "400 invalid_request",
      "upstream: cannot use a list: expected the name of one upstream",
    ],
    ["?upstrem=shop", "400 invalid_request", 'unknown key "upstrem": did you mean "upstream"?'],
  ] as const) {
    it(`of ${query} are not there`, async (t) => {
      const { port } = await startAdmin(t, CONFIG);
      const answer = await get(port, `/api/v1/backends${query}`);
      assert.equal(errorOf(answer), expected);
      assert.equal(JSON.parse(answer.body).error.message, message);
    });
  }
});

describe("a report", () => {
  it("sets how busy a backend is, for every data thread", async (t) => {
    const { port, view } = await startAdmin(t, CONFIG);
    const report = { upstream: "shop", backend_id: "two", performance: PERFORMANCE };
    const { status, body } = await post(port, "/api/v1/report", report);
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(body), { upstream: "shop", backend_id: "two", utilisation: 0.6 });
    const utilisation = view.share("two", 1).utilisation(Date.now());
    assert.ok(utilisation > 0.5 && utilisation <= 0.6, String(utilisation));
    assert.equal(view.share("one", 1).utilisation(Date.now()), 0);
  });

  for (const [title, body, expected, message] of [
    [
      "of an unknown upstream",
      { upstream: "none", backend_id: "one", performance: PERFORMANCE },
      "404 unknown_upstream",
      'There is no upstream "none": expected one of "shop", "files"',
    ],
    [
      "of a backend of another upstream",
      { upstream: "shop", backend_id: "three", performance: PERFORMANCE },
      "404 unknown_backend",
      'There is no backend "three" in the upstream "shop": expected one of "one", "two"',
    ],
    [
      "of nothing",
      {},
      "400 invalid_request",
      /upstream is missing.*backend_id is missing.*performance is missing/,
    ],
    ["that is no JSON", "{", "400 invalid_request", /JSON/],
    ["that is empty", "", "400 invalid_request", /empty/],
    ["that poisons prototypes", '{"__proto__": {}}', "400 invalid_request", /./],
    ["that is too long", " ".repeat(64 * 1024 + 1), "413 body_too_large", /expected at most 65536 bytes/],
  ] as const) {
    it(`${title} is refused`, async (t) => {
      const { port, lines } = await startAdmin(t, CONFIG);
      const answer = await post(port, "/api/v1/report", body);
      assert.equal(errorOf(answer), expected);
      const found = JSON.parse(answer.body).error.message;
      if (typeof message === "string") assert.equal(found, message);
      else assert.match(found, message);
      assert.deepEqual(lines, []);
    });
  }

  for (const type of [
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/jsonp",
    "",
    "multipart/form-data",
  ]) {
    it(`is refused as ${JSON.stringify(type)}`, async (t) => {
      const { port } = await startAdmin(t, CONFIG, { open: true });
      const field = type === "" ? "" : `Content-Type: ${type}\r\n`;
      const text = `POST /api/v1/report HTTP/1.1\r\nHost: localhost\r\n${field}Content-Length: 2\r\n\r\n{}`;
      assert.equal(errorOf((await ask(port, text)).answer), "415 unsupported_media_type");
    });
  }
});

describe("the state of the gateway", () => {
  for (const [lifecycle, running, expected, message] of [
    ["starting", true, "503 not_ready", "The gateway takes no exchanges: it is starting"],
    ["ready", true, "200", ""],
    ["ready", false, "503 not_ready", "The gateway takes no exchanges: no data thread runs"],
    ["draining", true, "503 not_ready", "The gateway takes no exchanges: it is draining"],
  ] as const) {
    it(`is ${expected} while it is ${lifecycle}${running ? "" : " without data threads"}`, async (t) => {
      const { port, view } = await startAdmin(t, CONFIG);
      view.lifecycle = lifecycle;
      view.dataThreads = view.dataThreads.map((thread) => ({ ...thread, running }));
      const answer = await get(port, "/readyz");
      assert.equal(answer.status === 200 ? "200" : errorOf(answer), expected);
      if (expected !== "200") assert.equal(JSON.parse(answer.body).error.message, message);
      assert.equal((await get(port, "/healthz")).status, 200);
    });
  }

  it("is ready while one of its data threads runs", async (t) => {
    const { port, view } = await startAdmin(t, CONFIG);
    view.dataThreads = view.dataThreads.map((thread) => ({ ...thread, running: thread.index === 1 }));
    assert.equal((await get(port, "/readyz")).status, 200);
  });
});

describe("every answer", () => {
  it("is for its asker only, and no page", async (t) => {
    const { port } = await startAdmin(t, CONFIG);
    const answers = [
      await get(port, "/healthz"),
      await get(port, "/metrics"),
      await get(port, "/nothing"),
      await get(port, "/%zz"),
      await get(port, "/healthz", "Origin: http://evil.example\r\n"),
      await post(port, "/api/v1/report", {}, ""),
      await post(port, "/api/v1/report", "{"),
      (await ask(port, "GARBAGE\r\n\r\n", "GET")).answer,
    ];
    for (const { fields, status } of answers) {
      assert.deepEqual(valuesOf(fields, "cache-control"), ["no-store"], String(status));
      assert.deepEqual(valuesOf(fields, "x-content-type-options"), ["nosniff"]);
      assert.deepEqual(valuesOf(fields, "cross-origin-resource-policy"), ["same-origin"]);
    }
  });

  for (const [title, text, expected] of [
    ["a path that is not there", "GET /api HTTP/1.1", "404 not_found"],
    ["a path that is no path", "GET /%zz HTTP/1.1", "400 invalid_request"],
    ["a method that a path does not have", "DELETE /metrics HTTP/1.1", "405 method_not_allowed"],
    ["a look at what only takes reports", "GET /api/v1/report HTTP/1.1", "405 method_not_allowed"],
    ["a head that is none", "GET / HTTP/1.1\r\nBad Field: x", "400 bad_request"],
    ["a head that is too long", `GET / HTTP/1.1\r\nX: ${"x".repeat(20_000)}`, "431 bad_request"],
  ] as const) {
    it(`to ${title} is JSON`, async (t) => {
      const { port } = await startAdmin(t, CONFIG);
      const { answer } = await ask(port, `${text}\r\nHost: localhost\r\n${AUTHORIZATION}\r\n`);
      assert.equal(errorOf(answer), expected);
      assert.match(valuesOf(answer.fields, "content-type")[0]!, /^application\/json/);
    });
  }

  it("to a wrong method names the right ones", async (t) => {
    const { port } = await startAdmin(t, CONFIG);
    const { answer } = await ask(port, "OPTIONS /metrics?a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert.deepEqual(valuesOf(answer.fields, "allow"), ["GET, HEAD"]);
    const { answer: head } = await ask(port, "HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert.deepEqual([head.status, head.body], [200, ""]);
  });

  it("to what is broken inside tells nothing, and the log everything", async (t) => {
    const { port, view, lines } = await startAdmin(t, CONFIG);
    view.readTotals = () => {
      throw new Error("a secret of the inside");
    };
    const answer = await get(port, "/metrics");
    assert.equal(errorOf(answer), "500 internal");
    assert.doesNotMatch(answer.body, /secret/);
    assert.equal(lines.length, 1);
    assert.match(lines[0]!, /a secret of the inside/);
  });
});
