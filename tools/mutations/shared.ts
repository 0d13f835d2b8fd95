// Guards of the memory that all data threads share.

import type { Mutation } from "./mutation.ts";

const shared = "src/core/shared";
const backend = `${shared}/backend-state.ts`;
const line = `${shared}/waiting-line.ts`;
const state = `${shared}/upstream-state.ts`;
const clients = `${shared}/client-counts.ts`;

/** The tests beside a file. */
function besides(file: string): string[] {
  return [file.replace(/\.ts$/, ".test.ts")];
}

export const SHARED_MUTATIONS: readonly Mutation[] = [
  {
    name: "the lock keeps others out",
    file: `${shared}/mutex.ts`,
    find: "while (Atomics.exchange(cells, cell, AWAITED) !== FREE) Atomics.wait(cells, cell, AWAITED);",
    replace: "Atomics.store(cells, cell, HELD);",
    tests: besides(`${shared}/mutex.ts`),
  },
  {
    name: "max_conn of a backend holds where threads race",
    file: backend,
    find: "const found = Atomics.compareExchange(this.ints, CONNECTIONS, open, open + 1);",
    replace: "const found = open;\n      Atomics.store(this.ints, CONNECTIONS, open + 1);",
    tests: besides(backend),
  },
  {
    name: "max_conn of a backend, to the connection",
    file: backend,
    find: "while (open < max) {",
    replace: "while (open <= max) {",
    tests: besides(backend),
  },
  {
    name: "a thread that ended holds no connections",
    file: backend,
    find: "Atomics.sub(this.ints, CONNECTIONS, own[OWN_CONNECTIONS]!);",
    replace: "",
    tests: besides(backend),
  },
  {
    name: "one ejection only",
    file: backend,
    find: "if (Atomics.compareExchange(this.ints, EJECTED, 0, 1) !== 0) return false;",
    replace: "Atomics.store(this.ints, EJECTED, 1);",
    tests: besides(backend),
  },
  {
    name: "ejections in a row grow",
    file: backend,
    find: "timeMs * 2 ** Math.min(before, 30)",
    replace: "timeMs + 0 * before",
    tests: besides(backend),
  },
  {
    name: "ejections grow up to the longest time",
    file: backend,
    find: "Math.min(maxTimeMs, timeMs * 2 ** Math.min(before, 30))",
    replace: "Math.max(maxTimeMs * 0, timeMs * 2 ** Math.min(before, 30))",
    tests: besides(backend),
  },
  {
    name: "a reported utilisation fades",
    file: backend,
    find: "this.floats[REPORTED_UTILISATION]! * (1 - age / REPORT_MS)",
    replace: "this.floats[REPORTED_UTILISATION]!",
    tests: besides(backend),
  },
  {
    name: "the line is first in, first out",
    file: line,
    find: "if (tail === 0) cells[HEAD] = place;\n      else cells[this.#at(tail, AFTER)] = place;\n      cells[TAIL] = place;",
    replace:
      "const head = cells[HEAD]!;\n      cells[this.#at(place, BEFORE)] = 0;\n      cells[this.#at(place, AFTER)] = head;\n      if (head === 0) cells[TAIL] = place;\n      else cells[this.#at(head, BEFORE)] = place;\n      cells[HEAD] = place;",
    tests: besides(line),
  },
  {
    name: "the line has an end",
    file: line,
    find: "if (waiting >= this.#size || waiting >= most) return LINE_FULL;",
    replace: "if (waiting >= most && most !== this.#size) return LINE_FULL;",
    tests: besides(line),
  },
  {
    name: "no more than queue.size wait where threads race",
    file: line,
    find: "if (waiting >= this.#size || waiting >= most) return LINE_FULL;",
    replace: "if (waiting >= this.#size) return LINE_FULL;",
    tests: besides(line),
  },
  {
    name: "places in the line are used again",
    file: line,
    find: "cells[FREE] = place;",
    replace: "",
    tests: besides(line),
  },
  {
    name: "waiters of a thread that ended hold up nobody",
    file: state,
    find: "this.line.forgetThread(thread);",
    replace: "",
    tests: besides(state),
  },
  {
    name: "a window ends",
    file: `${shared}/rolling-counts.ts`,
    find: "if (this.#cells[bucket + EPOCH] === (number | 0)) sum",
    replace: "sum",
    tests: besides(`${shared}/rolling-counts.ts`),
  },
  {
    name: "bounds of an upstream hold where threads race",
    file: state,
    find: "const found = Atomics.compareExchange(this.#ints, cell, count, count + 1);",
    replace: "const found = count;\n      Atomics.store(this.#ints, cell, count + 1);",
    tests: besides(state),
  },
  {
    name: "a circuit has one trial over all threads",
    file: state,
    find: "return Atomics.compareExchange(this.#ints, CIRCUIT, OPEN, TRIAL + thread) === OPEN;",
    replace: "Atomics.store(this.#ints, CIRCUIT, TRIAL + thread);\n    return true;",
    tests: besides(state),
  },
  {
    name: "an open circuit stays open for its time",
    file: state,
    find: "if (nowMs < this.openUntil) return false;",
    replace: "",
    tests: [...besides(state), "src/data/upstream/circuit.test.ts"],
  },
  {
    name: "an open circuit is not open for longer by late failures",
    file: state,
    find: "if (Atomics.load(this.#ints, CIRCUIT) !== CLOSED) return false;",
    replace: "",
    tests: [...besides(state), "src/data/upstream/circuit.test.ts"],
  },
  {
    name: "a trial is ended by its own thread",
    file: state,
    find: "if (Atomics.load(this.#ints, CIRCUIT) !== TRIAL + thread) return;",
    replace: "if (Atomics.load(this.#ints, CIRCUIT) < TRIAL) return;",
    tests: [...besides(state), "src/data/upstream/circuit.test.ts"],
  },
  {
    name: "so many connections of a client at most",
    file: clients,
    find: 'if (count >= most) return "refused";',
    replace: "",
    tests: besides(clients),
  },
  {
    name: "a client that is moved up is found where it stands",
    file: clients,
    find: "if (((place - home) & mask) < ((place - gap) & mask)) continue;",
    replace: "",
    tests: besides(clients),
  },
  {
    name: "a removed client leaves no gap in the table",
    file: clients,
    find: "cells.copyWithin(this.#entryAt(gap), at, at + this.#entryCells);",
    replace: "break;",
    tests: besides(clients),
  },
];
