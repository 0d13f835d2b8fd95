// What the tests of shared memory race with: worker threads that run the same test file and start at the same moment. It
// has no test of its own; its name keeps it out of what is published.

import { once } from "node:events";
import { parentPort, Worker, workerData } from "node:worker_threads";

/** What one thread does. `input` is what `race` was given. */
export type RaceTask<Input> = (thread: number, input: Input) => unknown;

interface Job {
  readonly task: string;
  readonly thread: number;
  readonly threads: number;
  readonly input: unknown;
  /** One cell in which the threads gather. */
  readonly gate: SharedArrayBuffer;
}

/** Runs a task of `file`, which calls `takePart` in its worker threads; resolves with what each thread returned. */
export async function race<Result>(
  file: string,
  { task, threads, input }: { readonly task: string; readonly threads: number; readonly input: unknown },
): Promise<Result[]> {
  const gate = new SharedArrayBuffer(4);
  const workers = Array.from({ length: threads }, (_, thread) => {
    const job: Job = { task, thread, threads, input, gate };
    return new Worker(new URL(file), { workerData: job });
  });
  return Promise.all(workers.map(async (worker) => (await once(worker, "message"))[0] as Result));
}

/** To be called in the worker threads, with all tasks of the file. */
export function takePart<Input>(tasks: Readonly<Record<string, RaceTask<Input>>>): void {
  const { task, thread, threads, input, gate } = workerData as Job;
  gather(new Int32Array(gate), threads);
  parentPort?.postMessage(tasks[task]!(thread, input as Input));
}

/** A sequence of numbers from 0 to 1, the same for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed + 1;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    // The lower bits of such a generator have short periods.
    return (state >> 8) / 2 ** 23;
  };
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function gather(gate: Int32Array, threads: number): void {
  if (Atomics.add(gate, 0, 1) === threads - 1) Atomics.notify(gate, 0);
  for (let here = Atomics.load(gate, 0); here < threads; here = Atomics.load(gate, 0))
    Atomics.wait(gate, 0, here);
}
