// The lines around the place in the user's code that a stack trace begins with, as esbuild shows those of a build error.
// Control thread.

import { readFileSync } from "node:fs";

const CALL = /^\s+at (?:.* \()?(\/.*?):(\d+):(\d+)\)?$/;
const WIDEST = 120;

/** `files` are those of the app. Empty where no call is in one of them, or it cannot be read. */
export function codeFrame(stack: string, files: readonly string[]): string {
  for (const line of stack.split("\n")) {
    const [, path = "", row, column] = CALL.exec(line) ?? [];
    if (!files.includes(path)) continue;
    return frameOf(path, Number(row), Number(column));
  }
  return "";
}

function frameOf(path: string, row: number, column: number): string {
  let text: string | undefined;
  try {
    text = readFileSync(path, "utf8").split("\n")[row - 1];
  } catch {
    return "";
  }
  if (text === undefined || text.length > WIDEST) return "";
  const number = String(row);
  const gutter = " ".repeat(number.length);
  // Tabs keep their width.
  const before = text.slice(0, column - 1).replaceAll(/[^\t]/g, " ");
  return `    ${path}:${row}:${column}:\n      ${number} │ ${text}\n      ${gutter} ╵ ${before}^`;
}
