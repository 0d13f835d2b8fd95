// The event log of the gateway: JSON lines, or short text on a terminal. Control thread; data threads send theirs here.

import { styleText } from "node:util";
import pino, { type Logger } from "pino";

export type Log = Logger;

/** What takes the lines of a log that no terminal shows. */
interface LineTaker {
  readonly isTTY: false;
  write(line: string): void;
}

export function createLog(stream: NodeJS.WriteStream | LineTaker = process.stderr): Log {
  const options = {
    level: "debug",
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: levelName },
  };
  return pino(
    options,
    stream.isTTY ? { write: (line: string) => stream.write(textOf(line, stream)) } : stream,
  );
}

function levelName(label: string): { level: string } {
  return { level: label };
}

const COLOURS = { info: "green", warn: "yellow", error: "red", fatal: "red" } as const;

function textOf(line: string, stream: NodeJS.WriteStream): string {
  const { time, level, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const colour = COLOURS[level as keyof typeof COLOURS] ?? "gray";
  const label = styleText(colour, String(level).padEnd(5), { stream });
  const rest: string[] = [];
  const [first = "", ...more] = visible(String(msg)).split("\n");
  /** The rest of the message, stacks, and what a VM printed: never at the start of a line, where it could pass for one. */
  let below = more.map((text) => `  ${text}\n`).join("");
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === "string" && value.includes("\n"))
      below += `  ${visible(value).trimEnd().replaceAll("\n", "\n  ")}\n`;
    else rest.push(`${name}=${JSON.stringify(value)}`);
  }
  const tail = rest.length === 0 ? "" : `  ${styleText("gray", rest.join(" "), { stream })}`;
  return `${String(time).slice(11, 19)} ${label} ${first}${tail}\n${below}`;
}

/** Apps say what clients sent: no terminal is to be told what to do. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
const CONTROLS = /[\0-\x08\x0b-\x1f\x7f-\x9f]/g;

function visible(text: string): string {
  return text.replace(CONTROLS, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
