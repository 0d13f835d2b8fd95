// What is measured of apps, and what the project wants the ratios to be.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Case } from "../lib/comparison.ts";
import { CONTROL, type Expectation } from "../lib/summary.ts";

/** The path has a query behind it, so that it must be cut out of the URL. */
export const PATH = "/users/4711/orders";
export const TARGET = `${PATH}?page=2`;

const CONNECTIONS = [1, 8, 64, 256];
const GET = "GET";
const ECHO = "POST 16 KB of JSON";

/** Orders as an API would take them, 16 KB as JSON. No number that two programs could write differently, no `/`. */
export function makeOrders(): unknown {
  const orders = Array.from({ length: 106 }, (_, index) => ({
    id: index,
    name: `Article number ${String(index).padStart(4, "0")}`,
    amount: (index * 7919) % 1000,
    tags: ["new", "blue", "paper"],
    open: index % 2 === 0,
    note: `Said "soon", then “later” ${"#".repeat(18)}`,
  }));
  return { total: 1060, orders };
}

/** Returns the path of the file that holds the body of the POST. */
export function writeOrders(folder: string): string {
  const file = join(folder, "orders.json");
  writeFileSync(file, JSON.stringify(makeOrders()));
  return file;
}

function titleOf(exchange: string, connections: number): string {
  return `${exchange}, ${connections} ${connections === 1 ? "connection" : "connections"}`;
}

function appCase(
  exchange: string,
  connections: number,
  jsonFile: string,
  rounds: number,
  seconds: number,
): Case {
  const request =
    exchange === GET
      ? ({ method: "GET", path: TARGET, bodyBytes: 0 } as const)
      : ({ method: "POST", path: "/echo", bodyBytes: 0, jsonFile } as const);
  return { title: titleOf(exchange, connections), load: { ...request, connections }, rounds, seconds };
}

/** `contestants` is how many there are: with as many rounds, each of them comes first once. */
export function fullCases(jsonFile: string, contestants: number): Case[] {
  return [GET, ECHO].flatMap((exchange) =>
    CONNECTIONS.map((connections) => {
      const rounds = exchange === GET && connections >= 64 ? contestants : 5;
      return appCase(exchange, connections, jsonFile, rounds, 2);
    }),
  );
}

export function quickCases(jsonFile: string): Case[] {
  return [
    appCase(GET, 64, jsonFile, 3, 1),
    appCase(GET, 1, jsonFile, 3, 1),
    appCase(ECHO, 64, jsonFile, 3, 1),
  ];
}

/** At 64 and 256 connections, of either exchange. */
const TARGETS: ReadonlyArray<readonly [reference: string, target: number]> = [
  ["openresty", 1.2],
  ["njs", 0.9],
  ["bun", 1.1],
  ["deno", 1.1],
  ["express", 0.35],
  ["workerd", 0.25],
];
const FLOORS: Readonly<Record<string, number>> = { openresty: 1.6, bun: 1.5 };

export function expectations(): Expectation[] {
  const list: Expectation[] = [];
  for (const exchange of [GET, ECHO]) {
    for (const connections of [64, 256]) {
      const about = titleOf(exchange, connections);
      for (const [reference, target] of TARGETS) {
        const floor = exchange === GET && connections === 64 ? FLOORS[reference] : undefined;
        list.push({ about, contestant: "sluice", reference, target, ...(floor !== undefined && { floor }) });
      }
    }
    list.push({ about: titleOf(exchange, 1), contestant: "sluice", reference: "bun", target: 3 });
  }
  for (const exchange of [GET, ECHO]) {
    const about = titleOf(exchange, 64);
    list.push({ about, contestant: "openresty again", reference: "openresty", remark: CONTROL });
  }
  return list;
}
