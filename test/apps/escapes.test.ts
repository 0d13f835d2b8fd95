// What a handler may try to get out of its VM, each tried for real in the real program. A line is printed for each with
// what became of it; the gateway and another app answer all the time.

import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { getPriority } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { IS_ROOT } from "../service/privileged.ts";
import { TestGateway } from "../support/gateway.ts";
import { writeApp } from "./write-app.ts";

/** Runs the attempt that the path names, and tells what it returned or threw. */
const PRISONER = `
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { setPriority } from "node:os";
import { Worker } from "node:worker_threads";

const internals = process as unknown as Record<string, (...given: unknown[]) => unknown>;

const attempts: Record<string, (given: URLSearchParams) => unknown> = {
  "read-file": (given) => readFileSync(given.get("file")!, "utf8"),
  "write-file": (given) => writeFileSync(given.get("file")!, "stolen"),
  "start-process": () => execFileSync("/bin/echo", ["out"]).toString(),
  "start-thread": () => String(new Worker("0", { eval: true })),
  "load-addon": (given) => process.dlopen({ exports: {} }, given.get("file")!),
  "open-database": async (given) => {
    const { DatabaseSync } = await import("node:sqlite");
    return new DatabaseSync(given.get("file")!).prepare("select 1").get();
  },
  "attach-database": async (given) => {
    const { DatabaseSync } = await import("node:sqlite");
    new DatabaseSync(":memory:").exec(\`attach '\${given.get("file")}' as other\`);
    return "attached";
  },
  "kill": (given) => process.kill(Number(given.get("pid")), "SIGTERM"),
  "inner-kill": (given) => {
    const code = internals["_kill"]!(Number(given.get("pid")), 15);
    if (code !== 0) throw new Error(\`errno \${code}\`);
    return "killed";
  },
  "debug-process": (given) => internals["_debugProcess"]!(Number(given.get("pid"))),
  "set-priority": (given) => setPriority(Number(given.get("pid")), 19),
  "proc-of-gateway": (given) => readFileSync(\`/proc/\${given.get("pid")}/environ\`, "utf8"),
  "parent": () => process.ppid,
  "environment": () => JSON.stringify(process.env),
  "fetch": async (given) => {
    const response = await fetch(given.get("url")!);
    return \`\${response.status}\`;
  },
  "open-inspector": async () => {
    const { open } = await import("node:inspector");
    open(0);
    return "open";
  },
  "links": (given) => {
    const folder = given.get("folder")!;
    const sockets = readdirSync(folder).filter((name) => name.endsWith(".sock"));
    return Promise.all(sockets.map((name) => new Promise((resolve) => {
      const socket = connect(\`\${folder}/\${name}\`);
      let answer = "";
      socket.on("data", (bytes) => { answer += bytes; });
      socket.on("error", (error) => resolve(error.message));
      socket.on("close", () => resolve(\`closed after \${answer.length} bytes\`));
      const head = Buffer.from("GET http://x/ \\n1.1.1.1 - HTTP/1.1\\n");
      const frame = Buffer.alloc(14 + head.length);
      frame.writeUInt32LE(5 + head.length, 0);
      frame[4] = 1;
      frame.writeUInt32LE(1, 5);
      frame[9] = 1;
      frame.writeUInt32LE(head.length, 10);
      head.copy(frame, 14);
      socket.write(frame);
    }))).then((answers) => answers.join("; "));
  },
};

export default async (request: Request) => {
  const { pathname, searchParams } = new URL(request.url);
  try {
    return new Response("done: " + (await attempts[pathname.split("/").pop()!]!(searchParams)));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return new Response("refused: " + (code ?? message));
  }
};
`;
const BYSTANDER = `export default () => new Response("well");`;

describe("a handler that tries to get out", () => {
  let gateway: TestGateway;
  let outside: string;
  let adminPort: number;
  let vmFolder: string;
  before(async () => {
    const entry = writeApp(PRISONER);
    gateway = await TestGateway.start(
      `admin: { port: 0 }
apps:
  locked: { entry: ${entry} }
  reaching: { entry: ${entry}, permissions: { net: true, read: [/] } }
${IS_ROOT ? `  nobody: { entry: ${entry}, isolation: user, permissions: { net: true, read: [/] } }` : ""}
  bystander: { entry: ${writeApp(BYSTANDER)} }
routing:
  locked: { path: /locked, app: locked }
  reaching: { path: /reaching, app: reaching }
${IS_ROOT ? "  nobody: { path: /nobody, app: nobody }" : ""}
  bystander: { path: /bystander, app: bystander }
`,
      { env: { SECRET_OF_THE_GATEWAY: "x" } },
    );
    outside = join(gateway.folder, "outside.db");
    writeFileSync(outside, "");
    const line = await gateway.logged(({ msg }) => /admin API/.test(msg));
    adminPort = Number(/:(\d+)/.exec(line.msg)![1]);
    vmFolder = folderOf(gateway.process.pid!);
  });
  after(() => gateway.stop());

  const attempts: ReadonlyArray<readonly [app: string, attempt: string, outcome: RegExp]> = [
    ["locked", "read-file", /^refused: ERR_ACCESS_DENIED$/],
    ["locked", "write-file", /^refused: ERR_ACCESS_DENIED$/],
    ["locked", "start-process", /^refused: ERR_ACCESS_DENIED$/],
    ["locked", "start-thread", /^refused: ERR_ACCESS_DENIED$/],
    ["locked", "load-addon", /^refused: ERR_DLOPEN_DISABLED$/],
    ["locked", "fetch", /^refused: /],
    ["locked", "open-database", /^refused: ERR_UNKNOWN_BUILTIN_MODULE$/],
    ["locked", "attach-database", /^refused: ERR_UNKNOWN_BUILTIN_MODULE$/],
    ["locked", "kill", /^refused: ESRCH$/],
    ["locked", "inner-kill", /^refused: errno -3$/],
    ["locked", "debug-process", /^refused: ESRCH$/],
    ["locked", "set-priority", /^refused: (ESRCH|ERR_SYSTEM_ERROR)$/],
    ["locked", "proc-of-gateway", /^refused: ERR_ACCESS_DENIED$/],
    ["locked", "parent", /^done: 0$/],
    ["locked", "environment", /^done: \{\}$/],
    ["locked", "open-inspector", /^refused: ERR_ACCESS_DENIED$/],
    ["reaching", "kill", /^refused: ESRCH$/],
    ["reaching", "debug-process", /^refused: ESRCH$/],
    ["reaching", "proc-of-gateway", /^refused: (ENOENT|EACCES)$/],
    ["reaching", "write-file", /^refused: ERR_ACCESS_DENIED$/],
    ["reaching", "fetch", /^done: 401$/],
    ["reaching", "links", /^done: (closed after 0 bytes(; )?)+$/],
  ];
  /** Only root can have them run as somebody else. */
  const ofAnotherUser: typeof attempts = [
    ["nobody", "kill", /^refused: EPERM$/],
    ["nobody", "inner-kill", /^refused: errno -1$/],
    ["nobody", "debug-process", /^refused: EPERM$/],
    ["nobody", "set-priority", /^refused: ERR_SYSTEM_ERROR$/],
    ["nobody", "proc-of-gateway", /^refused: EACCES$/],
    ["nobody", "links", /^refused: EACCES$/],
    ["nobody", "fetch", /^done: 401$/],
  ];
  for (const [app, attempt, outcome] of [...attempts, ...(IS_ROOT ? ofAnotherUser : [])]) {
    it(`${attempt} (${app})`, async (t) => {
      const pid = gateway.process.pid!;
      const priority = getPriority(pid);
      const about = new URLSearchParams({
        pid: String(pid),
        file: outside,
        url: `http://127.0.0.1:${adminPort}/api/v1/stats`,
        folder: vmFolder,
      });
      const answer = await ask(`/${app}/${attempt}?${about}`);
      t.diagnostic(`${attempt} (${app}): ${answer}`);
      assert.match(answer, outcome);
      assert.equal(await ask("/bystander"), "well");
      assert.equal(getPriority(pid), priority);
      assert.equal(readFileSync(outside, "utf8"), "");
      assert.ok(!gateway.log.some(({ msg }) => /SIGTERM|Debugger listening/.test(msg)));
    });
  }

  it("a gateway that is told to debug itself does not", async () => {
    process.kill(gateway.process.pid!, "SIGUSR1");
    assert.equal(await ask("/bystander"), "well");
    assert.ok(!gateway.log.some(({ msg }) => /Debugger listening/.test(msg)));
  });

  async function ask(path: string): Promise<string> {
    return await (await fetch(`http://127.0.0.1:${gateway.port}${path}`)).text();
  }
});

/** Where the VMs of the gateway's user have their sockets: the program of one stands in its command line. */
function folderOf(gateway: number): string {
  const children = readFileSync(`/proc/${gateway}/task/${gateway}/children`, "utf8").trim().split(" ");
  for (const child of children) {
    const found = /(\/[^\s\0]*sluice-vms-[^/\0]+)\/vm\.mjs/.exec(
      readFileSync(`/proc/${child}/cmdline`, "utf8"),
    );
    if (found !== null && statSync(found[1]!).uid === process.geteuid!()) return found[1]!;
  }
  throw new Error("no VM among the children of the gateway");
}
