// What is measured: which exchange, over how many connections, with the access log off or on, and for how long.

import type { Load } from "../lib/wrk.ts";

export interface Case {
  readonly exchange: ExchangeName;
  readonly connections: number;
  readonly logged: boolean;
  readonly rounds: number;
  readonly seconds: number;
}

export type ExchangeName = keyof typeof EXCHANGES;

export const EXCHANGES = {
  "GET 13 B": { method: "GET", path: "/small", bodyBytes: 0 },
  "GET 64 KB": { method: "GET", path: "/large", bodyBytes: 0 },
  "POST 64 KB": { method: "POST", path: "/upload", bodyBytes: 65_536 },
} as const satisfies Record<string, Pick<Load, "method" | "path" | "bodyBytes">>;

const EXCHANGE_NAMES = Object.keys(EXCHANGES) as ExchangeName[];

/** The case that the project's floor is about. */
export function isHeadline(test: Case): boolean {
  return test.exchange === "GET 13 B" && test.connections === 64 && !test.logged;
}

/** About 15 minutes. Four rounds let each of the four contestants come first, second, third and last once. */
export function fullCases(): Case[] {
  const cases: Case[] = [];
  for (const logged of [false, true]) {
    for (const exchange of EXCHANGE_NAMES) {
      for (const connections of [1, 64, 1000]) {
        const test = { exchange, connections, logged, rounds: 4, seconds: 2 };
        cases.push(isHeadline(test) ? { ...test, rounds: 16 } : test);
      }
    }
  }
  // Here for its errors: none are expected. Its length is for the connections, whose opening takes seconds.
  cases.push({ exchange: "GET 13 B", connections: 5000, logged: false, rounds: 2, seconds: 10 });
  return cases;
}

/** Below two minutes; good enough to see a change of ten per cent. */
export function quickCases(): Case[] {
  const short = { logged: false, rounds: 4, seconds: 1 };
  return [
    { ...short, exchange: "GET 13 B", connections: 64 },
    { ...short, exchange: "GET 13 B", connections: 1000 },
    { ...short, exchange: "GET 64 KB", connections: 64 },
    { ...short, exchange: "POST 64 KB", connections: 64 },
    { ...short, exchange: "GET 13 B", connections: 64, logged: true },
  ];
}
