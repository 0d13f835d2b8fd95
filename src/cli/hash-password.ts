// `sluice hash-password`: makes of a password the hash that `basic_auth` takes. The password comes from the terminal, unseen
// and twice, or from standard input; never from the command line, which everybody on the machine can read. Runs in the CLI.

import { randomBytes, scryptSync } from "node:crypto";
import { text } from "node:stream/consumers";
import { scryptBytes, writeScrypt } from "../core/password-hash.ts";

/** OWASP's advice for 32 MB: about 0.2 s. */
const LN = 15;
const R = 8;
const P = 3;

const INTERRUPT = "\x03";
const END = "\x04";
const KILL_LINE = "\x15";
const BACKSPACE = /^[\b\x7f]$/;

interface Terminal {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
}

/** Resolves to the exit code. */
export async function hashPassword({ stdin, stdout, stderr }: Terminal = process): Promise<number> {
  const password = stdin.isTTY ? await askTwice(stdin, stderr) : (await text(stdin)).replace(/\r?\n$/, "");
  const fault = password === null ? null : faultOf(password);
  if (password === null || fault !== null) {
    if (fault !== null) stderr.write(`sluice: cannot use this password: ${fault}\n`);
    return 1;
  }
  const salt = randomBytes(16);
  const options = { N: 2 ** LN, r: R, p: P, maxmem: scryptBytes({ n: 2 ** LN, r: R, p: P }) };
  stdout.write(`${writeScrypt(LN, R, P, salt, scryptSync(password, salt, 32, options))}\n`);
  return 0;
}

/** RFC 7617 section 2: browsers could not send it. */
function faultOf(password: string): string | null {
  if (password === "") return "it is empty";
  return /\p{Cc}/u.test(password) ? "expected one line without control characters" : null;
}

/** Null where the user gave up, or typed two passwords. */
async function askTwice(stdin: NodeJS.ReadStream, stderr: NodeJS.WritableStream): Promise<string | null> {
  const first = await ask(stdin, stderr, "Password: ");
  if (first === null || faultOf(first) !== null) return first;
  const second = await ask(stdin, stderr, "Once more: ");
  if (second === null || first === second) return second;
  stderr.write("sluice: the two passwords are not the same\n");
  return null;
}

/** One line of a terminal, of which nothing is shown; null after Ctrl-C, or Ctrl-D on an empty line. */
function ask(
  stdin: NodeJS.ReadStream,
  stderr: NodeJS.WritableStream,
  prompt: string,
): Promise<string | null> {
  return new Promise((resolve) => {
    let typed: string[] = [];
    // Before the prompt: what is typed from now on is not shown.
    stdin.setRawMode(true);
    stderr.write(prompt);
    stdin.setEncoding("utf8");
    const done = (line: string | null) => {
      stdin.off("data", read);
      stdin.off("end", gone);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write("\n");
      resolve(line);
    };
    const gone = () => done(null);
    const read = (chunk: string) => {
      for (const char of chunk) {
        if (char === "\r" || char === "\n") done(typed.join(""));
        else if (char === INTERRUPT || (char === END && typed.length === 0)) done(null);
        else if (char === KILL_LINE) typed = [];
        else if (BACKSPACE.test(char)) typed.pop();
        else {
          typed.push(char);
          continue;
        }
        if (!stdin.isRaw) return;
      }
    };
    stdin.on("data", read);
    stdin.on("end", gone);
    stdin.resume();
  });
}
