// What is measured of proxies: which exchange, over how many connections, with the access log off or on, and for how long.

import type { Case } from "../lib/comparison.ts";
import type { Load } from "../lib/wrk.ts";

export type ExchangeName = keyof typeof EXCHANGES;

export const EXCHANGES = {
  "GET 13 B": { method: "GET", path: "/small", bodyBytes: 0 },
  "GET 64 KB": { method: "GET", path: "/large", bodyBytes: 0 },
  "POST 64 KB": { method: "POST", path: "/upload", bodyBytes: 65_536 },
} as const satisfies Record<string, Pick<Load, "method" | "path" | "bodyBytes">>;

const EXCHANGE_NAMES = Object.keys(EXCHANGES) as ExchangeName[];

/** The case that the project's floor is about. */
export const HEADLINE = "GET 13 B, 64 connections";
/** The setup of the cases with an access log. */
export const LOGGED = "access log on";

/** How long. */
export type Length = Pick<Case, "rounds" | "seconds">;

export function proxyCase(exchange: ExchangeName, connections: number, length: Length): Case {
  const title = `${exchange}, ${connections} ${connections === 1 ? "connection" : "connections"}`;
  return { title, load: { ...EXCHANGES[exchange], connections }, ...length };
}

function logged(test: Case): Case {
  return { ...test, title: `${test.title}, ${LOGGED}`, setup: LOGGED };
}

/** About 15 minutes. Four rounds let each of the four contestants come first, second, third and last once. */
export function fullCases(): Case[] {
  const plain = EXCHANGE_NAMES.flatMap((exchange) =>
    [1, 64, 1000].map((connections) => {
      const test = proxyCase(exchange, connections, { rounds: 4, seconds: 2 });
      return test.title === HEADLINE ? { ...test, rounds: 16 } : test;
    }),
  );
  // Here for its errors: none are expected. Its length is for the connections, whose opening takes seconds.
  const crowd = proxyCase("GET 13 B", 5000, { rounds: 2, seconds: 10 });
  return [...plain, crowd, ...plain.map((test) => ({ ...logged(test), rounds: 4 }))];
}

/** Below two minutes; good enough to see a change of ten per cent. */
export function quickCases(): Case[] {
  const short = { rounds: 4, seconds: 1 };
  return [
    proxyCase("GET 13 B", 64, short),
    proxyCase("GET 13 B", 1000, short),
    proxyCase("GET 64 KB", 64, short),
    proxyCase("POST 64 KB", 64, short),
    logged(proxyCase("GET 13 B", 64, short)),
  ];
}
