// The way of a VM's lines into the gateway's log: kept within a rate here already, so that an app that says the same for ever
// floods nobody. Runs in VMs.

import { clockMs } from "../core/clock.ts";
import { LineLimit } from "../core/line-limit.ts";
import { LOG_RATE, leftOutText, MAX_LINE, TELL_MS } from "../wire/log-limits.ts";
import type { LogFromVm } from "../wire/vm.ts";

export type LogLevel = LogFromVm["level"];

const limit = new LineLimit(LOG_RATE);
/** The app may do with `process` what it likes. */
const send = process.send?.bind(process);
let toldAt = 0;
let telling = false;

/** Whether the next line would get into the log; where not, it counts as left out. Ask before making a line at any cost. */
export function isLogOpen(): boolean {
  if (limit.isOpen(clockMs())) return true;
  limit.leaveOut(1);
  if (!telling) {
    telling = true;
    setTimeout(() => {
      telling = false;
      tellLeftOut();
    }, TELL_MS).unref();
  }
  return false;
}

/** Writes a line after `isLogOpen`. `request` is the id of one, or empty. */
export function writeLog(level: LogLevel, message: string, request: string): void {
  const text = message.length <= MAX_LINE ? message : cut(message);
  limit.take(text.length);
  if (limit.leftOut > 0 && clockMs() - toldAt >= TELL_MS) tellLeftOut();
  post(level, text, request);
}

/** Of the program that runs the app. */
export function log(level: LogLevel, message: string, request: string): void {
  if (isLogOpen()) writeLog(level, message, request);
}

function tellLeftOut(): void {
  toldAt = clockMs();
  const leftOut = limit.told();
  if (leftOut > 0) post("warn", leftOutText(leftOut, "console"), "");
}

function post(level: LogLevel, message: string, request: string): void {
  send?.({ type: "log", level, message, request } satisfies LogFromVm);
}

function cut(message: string): string {
  return `${message.slice(0, MAX_LINE)}… (${message.length} characters)`;
}
