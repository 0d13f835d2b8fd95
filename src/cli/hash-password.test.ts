// `sluice hash-password`, from a pipe and at a terminal: real processes.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { scryptSync } from "node:crypto";
import { text } from "node:stream/consumers";
import { describe, it } from "node:test";
import { readPasswordHash, scryptBytes } from "../core/password-hash.ts";

const MAIN = new URL("main.ts", import.meta.url).pathname;

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function outcomeOf(child: ChildProcess): Promise<Outcome> {
  const code = new Promise<number | null>((resolve) => child.on("close", resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout!), text(child.stderr!)]);
  return { code: await code, stdout, stderr };
}

async function piped(input: string, args: readonly string[] = []): Promise<Outcome> {
  const child = spawn(process.execPath, [MAIN, "hash-password", ...args]);
  child.stdin.end(input);
  return await outcomeOf(child);
}

/** A terminal: what comes in is typed, and what is shown goes out, until the command ends. */
const TERMINAL = `
import os, pty, select, sys
pid, terminal = pty.fork()
if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
while True:
    try:
        for ready in select.select([terminal, 0], [], [])[0]:
            chunk = os.read(ready, 4096)
            if not chunk: sys.exit(99)
            os.write(1 if ready == terminal else terminal, chunk)
    except OSError: break
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

/** Types each line when the prompt for it is there; resolves with all that the terminal showed, and the exit code. */
async function typed(lines: readonly string[]): Promise<{ screen: string; code: number | null }> {
  const child = spawn("python3", ["-c", TERMINAL, process.execPath, MAIN, "hash-password"]);
  let screen = "";
  let prompts = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    screen += chunk.toString("latin1");
    const shown = screen.split(/Password: |Once more: /).length - 1;
    while (prompts < shown) child.stdin.write(lines[prompts++] ?? "");
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { screen, code };
}

function assertHashOf(line: string, password: string): void {
  assert.match(line, /^\$scrypt\$ln=15,r=8,p=3\$[^$]+\$[^$]+\n$/);
  const read = readPasswordHash(line.trim());
  assert.ok(typeof read !== "string" && read.kind === "scrypt");
  const options = { N: read.n, r: read.r, p: read.p, maxmem: scryptBytes(read) };
  assert.deepEqual(scryptSync(password, read.salt, read.hash.length, options), read.hash);
}

describe("sluice hash-password", { timeout: 110_000 }, () => {
  it("takes the password from standard input, and makes another hash each time", async () => {
    const [one, two] = await Promise.all([piped("pässword \n"), piped("pässword ")]);
    assertHashOf(one.stdout, "pässword ");
    assertHashOf(two.stdout, "pässword ");
    assert.notEqual(one.stdout, two.stdout);
    assert.deepEqual([one.code, one.stderr], [0, ""]);
  });

  it("refuses what browsers could not send", async () => {
    const inputs = ["", "\n", "two\nlines", "a\0b"];
    for (const { code, stdout, stderr } of await Promise.all(inputs.map((input) => piped(input)))) {
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, /^sluice: cannot use this password: (?:it is empty|expected one line)/);
    }
  });

  it("takes no password from the command line, and does not show it", async () => {
    const { code, stderr } = await piped("", ["secret"]);
    assert.equal(code, 2);
    assert.match(stderr, /takes no argument/);
    assert.ok(!stderr.includes("secret"));
  });

  it("asks twice at a terminal, and shows nothing of it", async () => {
    const { screen, code } = await typed(["secrex\x7ft\r", "forgotten\x15secret\r"]);
    const [, hash = ""] = /(\$scrypt\$\S+)/.exec(screen) ?? [];
    assertHashOf(`${hash}\n`, "secret");
    assert.ok(!screen.includes("secre") && !screen.includes("forgotten"), screen);
    assert.equal(code, 0);
  });

  it("prints nothing where the two are not the same, or the user gives up", async () => {
    const other = await typed(["one\r", "two\r"]);
    assert.match(other.screen, /not the same/);
    assert.equal(other.code, 1);
    for (const key of ["\x03", "\x04"]) {
      const { screen, code } = await typed([key]);
      assert.ok(!screen.includes("$scrypt"), screen);
      assert.equal(code, 1);
    }
  });
});
