// Becomes another user for good once everything that needs root is open. Control thread: only here Node lets a process
// do so, and the C library does it for every thread there is, data threads among them.

import { accessSync, closeSync, constants, fchownSync, openSync } from "node:fs";
import { resolve } from "node:path";
import { quote } from "../config/problem.ts";
import type { RunAsSpec } from "../config/run-as.ts";

/** Why the gateway cannot go on as that user, in words for the operator. */
export class PrivilegeError extends Error {}

/** What a process is. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
}

/** Null where the system knows no users (Windows). */
export function currentIdentity(): Identity | null {
  const uid = process.geteuid?.();
  const gid = process.getegid?.();
  return uid === undefined || gid === undefined ? null : { uid, gid };
}

/** The user to become later, or null to stay. Throws where that cannot be. */
export function userToBecome(runAs: RunAsSpec | null, current: Identity | null): RunAsSpec | null {
  if (runAs === null || (current?.uid === runAs.uid && current.gid === runAs.gid)) return null;
  if (current?.uid === 0) return runAs;
  const here = current === null ? "this system has no users" : `this is ${current.uid}:${current.gid}`;
  throw new PrivilegeError(
    `Cannot run as ${quote(runAs.text)} (${runAs.uid}:${runAs.gid}): only root can become another user, and ${here}. Start it as root, or as that user without server.run_as`,
  );
}

/** For good: real, effective and saved ids of all threads, and no group of root's is kept. */
export function becomeUser({ text, user, uid, gid }: RunAsSpec): void {
  try {
    if (user === null) process.setgroups!([gid]);
    else initgroups(user, gid);
    process.setgid!(gid);
    process.setuid!(uid);
  } catch (error) {
    throw new PrivilegeError(`Cannot become ${quote(text)}: ${reasonOf(error)}`);
  }
}

/** The groups that the system has the user in, and this one. Node's types do not know of it. */
function initgroups(user: string, gid: number): void {
  (process as unknown as { initgroups(user: string, gid: number): void }).initgroups(user, gid);
}

/** A log file that root makes belongs to who will write it. One that is there already is left as it is. */
export function makeLogFile(path: string, { uid, gid }: Identity): void {
  let descriptor: number;
  try {
    // "x" follows no link: whoever may write in the folder could have put one there.
    descriptor = openSync(path, "ax");
  } catch {
    // It is there, or cannot be made, which the data threads will say.
    return;
  }
  try {
    fchownSync(descriptor, uid, gid);
  } finally {
    closeSync(descriptor);
  }
}

/** Throws where the file could not be opened again as who this is now. */
export function checkLogFile(path: string, { text }: RunAsSpec): void {
  try {
    accessSync(path, constants.W_OK);
  } catch (error) {
    throw new PrivilegeError(
      `Cannot write the access log ${quote(resolve(path))} as ${quote(text)}: ${reasonOf(error)}: expected a file that this user may write. It could not be opened again (SIGUSR2)`,
    );
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === "EACCES" || code === "EPERM" ? "permission denied" : message;
}
