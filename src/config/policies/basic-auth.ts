// The policy `basic_auth`: who may come in by name and password. Runs anywhere.

import { z } from "zod";
import { readPasswordHash } from "../../core/password-hash.ts";
import { atKey, atValue, type Findings } from "../finding.ts";
import type { PemFiles } from "../pem-files.ts";
import { quote } from "../problem.ts";
import { entriesOf, hasMisspelt, textOf } from "../settings.ts";
import type { SourceNode } from "../tree.ts";
import { text, textLike, truth } from "../values.ts";
import type { PolicyContext } from "./policy-context.ts";

export interface BasicAuthSpec {
  readonly realm: string;
  /** At least one. A hash is one that `readPasswordHash` takes. */
  readonly users: ReadonlyArray<readonly [name: string, hash: string]>;
  /** The credentials go on to the backend. */
  readonly forward: boolean;
}

/** RFC 7617 section 2: no colon, no control characters. */
const USER = /^[^:\p{Cc}]+$/u;
const USER_EXPECTED = "expected a name without a colon or control characters";

export const basicAuthSchema = z
  .strictObject({
    enabled: truth().prefault(true).describe("`false` turns it off and keeps the section."),
    realm: textLike(/^[\x20-\x7e]*$/, "expected visible ASCII")
      .prefault("restricted")
      .describe("What browsers show when they ask for the password."),
    users: z
      .record(textLike(USER, USER_EXPECTED), text())
      .optional()
      .describe("Hashes of passwords by the name of the user, from `sluice hash-password`."),
    users_file: text()
      .optional()
      .describe(
        "File with a line `name:hash` for each user, as of htpasswd. Read again on a reload or change.",
      ),
    forward: truth().prefault(false).describe("Sends the Authorization field on to the backend."),
  })
  .describe("Asks for a name and a password (docs/policies/basic-auth.md).");

export function compileBasicAuth(
  { realm, users = {}, users_file: file, forward }: z.output<typeof basicAuthSchema>,
  { files }: PolicyContext,
): BasicAuthSpec {
  const ofFile =
    file === undefined ? [] : linesOf(files.text(file)).map(({ name, hash }) => [name, hash] as const);
  return { realm, users: [...Object.entries(users), ...ofFile], forward };
}

const SOURCES = ["users", "users_file"];

export function* basicAuthProblems(policy: SourceNode, files: PemFiles): Findings {
  const { children } = policy;
  const isOff = children.get("enabled")?.value === false;
  if (!isOff && !SOURCES.some((name) => children.has(name)) && !hasMisspelt(policy, SOURCES))
    yield atKey(policy, 'cannot ask for passwords without users: expected "users", "users_file" or both');
  const names = new Set<string>();
  for (const [name, hash] of entriesOf(children.get("users"))) {
    names.add(String(name));
    if (typeof hash.value !== "string" || hash.broken) continue;
    const fault = readPasswordHash(hash.value);
    // The value stays unsaid: it might be the password itself.
    if (typeof fault === "string") yield atValue(hash, `cannot use this value: ${fault}`);
  }
  const users = children.get("users");
  const path = textOf(policy, "users_file");
  if (users !== undefined && names.size === 0 && path === null && !isOff)
    yield atValue(users, `cannot use ${quote(users.value)}: expected at least one user`);
  if (path === null) return;
  const node = children.get("users_file")!;
  const unreadable = files.unreadable(path);
  const faults = unreadable === null ? faultsOf(files.text(path), names) : [unreadable];
  for (const fault of faults) yield atValue(node, `cannot use ${quote(path)}: ${fault}`);
}

interface UserLine {
  readonly line: number;
  readonly name: string;
  readonly hash: string;
}

/** Lines `name:hash`. Empty ones and those that begin with `#` are none. */
function linesOf(text: string): readonly UserLine[] {
  return text.split("\n").flatMap((whole, index) => {
    const line = whole.trim();
    if (line === "" || line.startsWith("#")) return [];
    const colon = line.indexOf(":");
    return [{ line: index + 1, name: line.slice(0, Math.max(colon, 0)), hash: line.slice(colon + 1) }];
  });
}

/** The first few: a file of the wrong kind has one in each line. */
function faultsOf(text: string, known: ReadonlySet<string>): readonly string[] {
  const lines = linesOf(text);
  if (lines.length === 0 && known.size === 0) return ["expected at least one user"];
  const names = new Set(known);
  const faults = lines.flatMap(({ line, name, hash }) => {
    const isKnown = names.has(name);
    names.add(name);
    if (!USER.test(name)) return [`line ${line}: expected a name, a colon and a hash`];
    if (isKnown) return [`line ${line}: there is another user ${quote(name)}`];
    const fault = readPasswordHash(hash);
    return typeof fault === "string" ? [`line ${line}, user ${quote(name)}: ${fault}`] : [];
  });
  return faults.slice(0, 3);
}
