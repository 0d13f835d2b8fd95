// Data threads that call each other, in worker threads running this file: each tells the test whenever it was woken.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { describe, it, type TestContext } from "node:test";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { Wake } from "./wake.ts";

interface ThreadData {
  readonly gateway: string;
  readonly index: number;
  readonly threads: number;
}

/** What a thread is told to do: wake one other, or all of them where `thread` is null. */
interface Call {
  readonly thread: number | null;
  readonly upstream: string;
}

const THREADS = 3;

/** The threads of a gateway, and who was woken: `<index> <upstream>`, in the order in which it was heard of. */
class Threads {
  readonly woken: string[] = [];
  readonly workers: readonly Worker[];
  readonly #watchers = new Set<() => void>();

  static async start(t: TestContext, gateway: string = randomUUID(), threads = THREADS): Promise<Threads> {
    const all = new Threads(gateway, threads);
    t.after(() => Promise.all(all.workers.map((worker) => worker.terminate())));
    await all.until((event) => event.endsWith("ready"), threads);
    all.woken.length = 0;
    return all;
  }

  private constructor(gateway: string, threads: number) {
    this.workers = Array.from({ length: threads }, (_, index) => {
      const data: ThreadData = { gateway, index, threads };
      const worker = new Worker(new URL(import.meta.url), { workerData: data });
      worker.on("message", (event: string) => {
        this.woken.push(`${index} ${event}`);
        for (const watcher of this.#watchers) watcher();
      });
      return worker;
    });
  }

  call(from: number, call: Call): void {
    this.workers[from]!.postMessage(call);
  }

  /** Resolves when so many events fit. */
  async until(fits: (event: string) => boolean, count: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = () => {
        if (this.woken.filter(fits).length >= count) resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }
}

if (isMainThread) {
  describe("data threads", { timeout: 30_000 }, () => {
    it("wake one other thread, with the name of the upstream", async (t) => {
      const threads = await Threads.start(t);
      threads.call(0, { thread: 2, upstream: "app" });
      threads.call(0, { thread: 2, upstream: "files" });
      threads.call(2, { thread: 1, upstream: "last" });
      await threads.until((event) => event.startsWith("2"), 2);
      await threads.until((event) => event === "1 last", 1);
      assert.deepEqual(threads.woken.toSorted(), ["1 last", "2 app", "2 files"]);
    });

    it("wake all others, but not themselves", async (t) => {
      const threads = await Threads.start(t);
      threads.call(1, { thread: 1, upstream: "own" });
      threads.call(1, { thread: null, upstream: "app" });
      threads.call(0, { thread: 1, upstream: "end" });
      await threads.until(() => true, 3);
      assert.deepEqual(threads.woken.toSorted(), ["0 app", "1 end", "2 app"]);
    });

    it("do not wake those of another gateway in the same process", async (t) => {
      const [one, other] = [await Threads.start(t), await Threads.start(t)];
      one.call(0, { thread: 1, upstream: "one" });
      other.call(0, { thread: 1, upstream: "other" });
      await Promise.all([one, other].map((threads) => threads.until(() => true, 1)));
      assert.deepEqual([one.woken, other.woken], [["1 one"], ["1 other"]]);
    });

    it("wake the one that took the place of one that ended", async (t) => {
      const gateway = randomUUID();
      const threads = await Threads.start(t, gateway);
      threads.call(0, { thread: 1, upstream: "before" });
      await threads.until((event) => event === "1 before", 1);
      await threads.workers[1]!.terminate();
      const data: ThreadData = { gateway, index: 1, threads: THREADS };
      const next = new Worker(new URL(import.meta.url), { workerData: data });
      t.after(() => next.terminate());
      assert.deepEqual(await once(next, "message"), ["ready"]);
      threads.call(0, { thread: 1, upstream: "after" });
      assert.deepEqual(await once(next, "message"), ["after"]);
    });

    it("end by themselves, whomever they have woken", async (t) => {
      const threads = await Threads.start(t);
      const ended = once(threads.workers[0]!, "exit");
      threads.call(0, { thread: null, upstream: "app" });
      await threads.until((event) => event.endsWith("app"), 2);
      threads.workers[0]!.postMessage(null);
      assert.deepEqual(await ended, [0]);
    });
  });
} else {
  const { gateway, index, threads } = workerData as ThreadData;
  const wake = new Wake(gateway, index, threads, (upstream) => parentPort?.postMessage(upstream));
  parentPort?.on("message", (call: Call | null) => {
    if (call === null) parentPort?.close();
    else if (call.thread === null) wake.wakeOthers(call.upstream);
    else wake.wake(call.thread, call.upstream);
  });
  parentPort?.postMessage("ready");
}
