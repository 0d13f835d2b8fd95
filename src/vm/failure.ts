// What is said of a handler that failed, for the log and for clients of an app whose errors are detailed. Runs in VMs.

import { inspect } from "node:util";
import { isNativeError } from "node:util/types";

export interface Failure {
  readonly message: string;
  /** Lines of the user's files, by the source map; empty where there are none. */
  readonly stack: string;
}

const MOST_MESSAGE = 2000;
const MOST_STACK = 16_000;
const MOST_CAUSES = 5;

/** Calls of the program that runs the app, and of Node: nobody looks for a mistake there. */
const OTHERS = [`${process.argv[1]}:`, "node:internal/"];

export function failureOf(thrown: unknown): Failure {
  try {
    return described(thrown);
  } catch {
    return { message: "an error that cannot be shown", stack: "" };
  }
}

function described(thrown: unknown): Failure {
  if (isNativeError(thrown) || thrown instanceof Error) {
    const { name, message } = thrown;
    return {
      message: cut(message === "" ? name : `${name}: ${message}`, MOST_MESSAGE),
      stack: stackOf(thrown),
    };
  }
  if (thrown instanceof Response)
    return {
      message: `a Response was thrown (status ${thrown.status}): expected it to be returned`,
      stack: "",
    };
  return { message: cut(`${textOf(thrown)} was thrown: expected an Error`, MOST_MESSAGE), stack: "" };
}

/** With what caused it. */
function stackOf(error: Error, depth = 0): string {
  const lines = String(error.stack).split("\n");
  let text = lines.filter((line) => !OTHERS.some((other) => line.includes(other))).join("\n");
  const causes = error instanceof AggregateError ? error.errors : [];
  for (const cause of [error.cause, ...causes]) {
    if (cause === undefined || depth === MOST_CAUSES || text.length > MOST_STACK) continue;
    text += `\nCaused by: ${cause instanceof Error ? stackOf(cause, depth + 1) : textOf(cause)}`;
  }
  return cut(text, MOST_STACK);
}

/** A value in a line. */
export function textOf(value: unknown): string {
  return inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 100 });
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most)}…`;
}
