// The user that the gateway goes on as once its ports are open. Runs in the control thread and the CLI.

import { readFileSync } from "node:fs";
import { quote } from "./problem.ts";

export interface RunAsSpec {
  /** As the file has it. */
  readonly text: string;
  /** Null where the user has no name on this machine, only a number. */
  readonly user: string | null;
  readonly uid: number;
  readonly gid: number;
}

/** `user` or `user:group`, each by name or number. */
export const RUN_AS = /^[^\s:]+(?::[^\s:]+)?$/;

/** Where the users and groups of this machine are. Those of a directory service are not among them: numbers serve. */
export interface UserFiles {
  readonly passwd: string;
  readonly group: string;
}

const SYSTEM: UserFiles = { passwd: "/etc/passwd", group: "/etc/group" };
/** 2^32 - 1 stands for "leave it as it is" in the system calls. */
const LARGEST_ID = 2 ** 32 - 2;

export function findRunAs(
  text: string,
  files: UserFiles = SYSTEM,
): { readonly runAs: RunAsSpec } | { readonly problem: string } {
  const [user = "", group = null] = text.split(":");
  const entry = entryOf(files.passwd, user);
  const uid = numberIn(entry?.[2]) ?? idOf(user);
  if (uid === null) return { problem: `there is no user ${quote(user)} in ${files.passwd}` };
  const gid =
    group === null ? numberIn(entry?.[3]) : (numberIn(entryOf(files.group, group)?.[2]) ?? idOf(group));
  if (gid !== null) return { runAs: { text, user: entry?.[0] ?? null, uid, gid } };
  if (group !== null) return { problem: `there is no group ${quote(group)} in ${files.group}` };
  return { problem: `expected a group too, as in "${user}:${user}": ${files.passwd} has no user ${user}` };
}

/** The fields of the line about a name, else about a number, as chown looks them up. Both files begin with the name, the number is the third field. */
function entryOf(file: string, wanted: string): readonly string[] | null {
  const lines = textOf(file)
    .split("\n")
    .map((line) => line.split(":"));
  const byName = lines.find(([name]) => name === wanted);
  return byName ?? lines.find(([, , id]) => idOf(wanted) !== null && id === wanted) ?? null;
}

function idOf(text: string): number | null {
  return /^\d{1,10}$/.test(text) && Number(text) <= LARGEST_ID ? Number(text) : null;
}

function numberIn(field: string | undefined): number | null {
  return idOf(field ?? "");
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
