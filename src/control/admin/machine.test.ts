// Reading how busy a machine is: files of /proc as they were found on several, and this machine. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { cpuShare, Machine, parseCpuTimes, parseMemory, parseTraffic } from "./machine.ts";

const STAT = `cpu  100 20 30 800 50 5 10 35 7 3
cpu0 50 10 15 400 25 2 5 17 3 1
cpu1 50 10 15 400 25 3 5 18 4 2
intr 1234 0 9
ctxt 99
btime 1700000000
`;

const MEMINFO = `MemTotal:       16000000 kB
MemFree:         1000000 kB
MemAvailable:    4000000 kB
Buffers:          123456 kB
HugePages_Total:       0
`;

const NET_DEV = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0
  eth0: 1000 10 0 0 0 0 0 0     300    5    0    0    0     0       0          0
enp0s31f6:4294967296000 7 0 0 0 0 0 3 70 7 0 0 0 0 0 0
eth0.100:       5       0    0    0    0     0          0         0        6       0    0    0    0     0       0          0
`;

describe("the processors' times", () => {
  it("are busy but for idle and iowait, and have the guests' once", () => {
    assert.deepEqual(parseCpuTimes(STAT), { busy: 200, total: 1050 });
  });

  it("may come from an old kernel with fewer columns", () => {
    assert.deepEqual(parseCpuTimes("cpu 1 2 3 4\n"), { busy: 6, total: 10 });
  });

  for (const text of ["", "cpu0 1 2 3 4\n", "cpu \n", "intr 1 2\n"]) {
    it(`are not in ${JSON.stringify(text)}`, () => assert.equal(parseCpuTimes(text), null));
  }

  for (const [title, before, after, share] of [
    ["half", [100, 1000], [150, 1100], 0.5],
    ["all", [100, 1000], [200, 1100], 1],
    ["nothing", [100, 1000], [100, 1100], 0],
    ["nothing in no time", [100, 1000], [100, 1000], 0],
    ["never more than all, where iowait went back", [100, 1000], [200, 1090], 1],
    ["never less than nothing", [100, 1000], [90, 1100], 0],
  ] as const) {
    it(`give a share of ${title}`, () => {
      const [earlier, later] = [before, after].map(([busy, total]) => ({ busy, total }));
      assert.equal(cpuShare(earlier!, later!), share);
    });
  }
});

describe("the memory", () => {
  it("is told in bytes", () => {
    assert.deepEqual(parseMemory(MEMINFO), { total: 16_384_000_000, available: 4_096_000_000 });
  });

  for (const text of [
    "",
    "MemTotal: 5 kB\n",
    "MemAvailable: 5 kB\n",
    "XMemTotal: 5 kB\nMemAvailable: 5 kB\n",
  ]) {
    it(`is not in ${JSON.stringify(text)}`, () => assert.equal(parseMemory(text), null));
  }
});

describe("the traffic", () => {
  it("is that of all interfaces but the loopback one, also where no space stands behind the colon", () => {
    assert.deepEqual(parseTraffic(NET_DEV), { received: 4_294_967_297_005, sent: 376 });
  });

  it("is nothing without interfaces", () => {
    assert.deepEqual(parseTraffic(NET_DEV.split("\n").slice(0, 3).join("\n")), { received: 0, sent: 0 });
  });
});

describe("a machine", () => {
  const files: Record<string, string> = {
    "/proc/stat": STAT,
    "/proc/meminfo": MEMINFO,
    "/proc/net/dev": NET_DEV,
  };
  const linux = new Machine((path) => files[path] ?? null);
  const other = new Machine(() => null);

  it("is read from /proc", () => {
    assert.deepEqual(linux.cpuTimes(), { busy: 200, total: 1050 });
    assert.equal(linux.memory().used, 0.75);
    assert.equal(linux.traffic()?.sent, 376);
  });

  it("without /proc is read from what the runtime offers", () => {
    const { busy, total } = other.cpuTimes();
    assert.ok(busy > 0 && total > busy, `${busy} of ${total}`);
    const { total: bytes, available, used } = other.memory();
    assert.ok(bytes > available && available > 0 && used > 0 && used < 1);
    assert.equal(other.traffic(), null);
  });

  it("is this one by default", async () => {
    const machine = new Machine();
    const { busy, total } = machine.cpuTimes();
    assert.ok(busy > 0 && total > busy);
    const disk = await machine.disk(process.cwd());
    assert.ok(disk !== null && disk.total > disk.available && disk.used > 0 && disk.used <= 1);
    assert.equal(await machine.disk("/no such folder"), null);
  });
});
