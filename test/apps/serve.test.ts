// `sluice serve`: one handler without a configuration, what it may do, its debugger, and what is said where it cannot be served.

import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { TestGateway } from "../support/gateway.ts";
import { Debugger } from "./debugger.ts";
import { writeApp, writeFiles } from "./write-app.ts";

const HANDLER = `
import { readFileSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";

const tries: Record<string, (request: Request) => unknown> = {
  "/read": () => readFileSync(new URL("./data.txt", import.meta.url), "utf8"),
  "/write": () => writeFileSync(new URL("./out.txt", import.meta.url), "written"),
  "/run": () => execFileSync("/bin/echo", ["ran"], { encoding: "utf8" }),
  "/net": async (request) => await (await fetch(new URL("/hello", request.url))).text(),
};

export default {
  async fetch(request: Request, env: Record<string, unknown>): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/env") return Response.json({ env, process: Object.keys(process.env) });
    const attempt = tries[pathname];
    return new Response(attempt === undefined ? "hello" : String(await attempt(request)));
  },
};
`;

/** Would be replaced in a file of a configuration. */
const VARIABLE = "$".concat("{HOME}");

function serve(entry: string, ...more: string[]): Promise<TestGateway> {
  return TestGateway.start("", { args: ["serve", entry, "--port", "0", ...more], stdout: "pipe" });
}

async function get(gateway: TestGateway, path: string): Promise<string> {
  return await (await fetch(`http://127.0.0.1:${gateway.port}${path}`)).text();
}

describe("sluice serve", () => {
  it("serves every path of one handler on this machine, and says where", async () => {
    const gateway = await serve(writeApp(HANDLER, `my app ${VARIABLE}.ts`));
    try {
      assert.equal(await get(gateway, "/any/path?q"), "hello");
      const { msg } = await gateway.logged((line) => line.msg.startsWith("listening on"));
      assert.equal(msg, `listening on http://127.0.0.1:${gateway.port}`);
      await gateway.logged((line) => line.msg.includes(`answers at http://127.0.0.1:${gateway.port}/`));
    } finally {
      assert.equal(await gateway.stop("SIGINT"), 0);
    }
  });

  it("permits nothing, passes nothing of its environment on, and tells the client what was refused", async () => {
    const folder = writeFiles({ "app.ts": HANDLER, "data.txt": "data" });
    const gateway = await serve(join(folder, "app.ts"));
    try {
      for (const path of ["/read", "/write", "/run", "/net"]) {
        const told = JSON.parse(await get(gateway, path)) as { error: { code: string; stack: string[] } };
        assert.equal(told.error.code, "app_failed", path);
        const text = told.error.stack.join("\n");
        assert.match(text, /Access to this API has been restricted/, path);
        // The error of fetch() itself knows no calls.
        if (path !== "/net") assert.match(text, /app\.ts:\d+:\d+/, path);
      }
      assert.deepEqual((JSON.parse(await get(gateway, "/env")) as { env: object }).env, {});
      assert.doesNotMatch(await get(gateway, "/env"), /PATH|HOME|STATE_DIRECTORY/);
    } finally {
      await gateway.stop();
    }
  });

  it("permits what the command line says", async () => {
    const folder = writeFiles({ "app.ts": HANDLER, "data.txt": "data", "out.txt": "" });
    const gateway = await serve(
      join(folder, "app.ts"),
      ...["--allow-net", "--allow-run", "--env", "A=1", "--env", `B=x=${VARIABLE}`],
      ...["--allow-read", join(folder, "data.txt"), "--allow-write", join(folder, "out.txt")],
    );
    try {
      assert.equal(await get(gateway, "/read"), "data");
      assert.equal(await get(gateway, "/write"), "undefined");
      assert.equal(await get(gateway, "/run"), "ran\n");
      assert.equal(await get(gateway, "/net"), "hello");
      assert.deepEqual((JSON.parse(await get(gateway, "/env")) as { env: object }).env, {
        A: "1",
        B: `x=${VARIABLE}`,
      });
    } finally {
      await gateway.stop();
    }
  });

  it("opens the debugger, and lets a VM stand at a breakpoint for longer than any limit", async () => {
    const entry = writeApp(`
export default (request: Request): Response => {
  interface Unused { readonly a: 1 }
  const text: string = "from the breakpoint";
  if (request.url.endsWith("/stop")) debugger;
  return new Response(text);
};
`);
    const gateway = await serve(entry, "--inspect=127.0.0.1:0");
    try {
      const line = await gateway.logged((line) =>
        line.msg.startsWith("debugger listening on ws://127.0.0.1:"),
      );
      const attached = await Debugger.attach(/ws:\S+/.exec(line.msg)![0]);
      await attached.send("Debugger.enable");
      const answer = get(gateway, "/stop");
      await attached.event("Debugger.paused");
      // The usual limits of an app are 5 s.
      await wait(6500);
      await attached.send("Debugger.resume");
      assert.equal(await answer, "from the breakpoint");
      attached.close();
      assert.ok(!gateway.log.some(({ msg }) => /ended/.test(msg)));
    } finally {
      await gateway.stop();
    }
  });

  it("says that somebody else has the port of the debugger, and takes it when it is free", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    await once(holder, "listening");
    const { port } = holder.address() as AddressInfo;
    const gateway = await serve(writeApp(HANDLER), "--inspect", `--inspect=${port}`);
    try {
      await gateway.logged(({ msg }) => msg.includes(`cannot listen on 127.0.0.1:${port} yet`));
      holder.close();
      await gateway.logged(({ msg }) => msg.startsWith(`debugger listening on ws://127.0.0.1:${port}/`));
    } finally {
      await gateway.stop();
    }
  });
});

const entry = writeApp(HANDLER);
const MISUSES: ReadonlyArray<readonly [args: string[], code: number, said: string]> = [
  [["serve"], 2, "sluice: serve what? Expected the file of a handler"],
  [["serve", entry, "more"], 2, 'sluice: "more" is one argument too many'],
  [["serve", "no/such.ts"], 1, 'sluice: cannot serve "no/such.ts": there is none of this name'],
  [["serve", "/"], 1, 'sluice: cannot serve "/": expected a file with a handler'],
  [
    ["serve", entry, "--port", "http"],
    2,
    'sluice: cannot use the port "http": expected a number from 0 (any that is free) to 65535',
  ],
  [
    ["serve", entry, "--port=65536"],
    2,
    'sluice: cannot use the port "65536": expected a number from 0 (any that is free) to 65535',
  ],
  [
    ["serve", entry, "--env", "1A=2"],
    2,
    'sluice: cannot use --env "1A=2": expected NAME=VALUE, the name of letters, digits and _',
  ],
  [
    ["serve", entry, "--inspect=here"],
    2,
    "sluice: cannot use --inspect=here: expected HOST:PORT such as 127.0.0.1:9229, or a port",
  ],
  [["serve", entry, "--config", "a.yaml"], 2, 'sluice: --config is no option of "serve"'],
  [["check", "--watch"], 2, 'sluice: --watch is no option of "check"'],
  [["serve", entry, "--wotch"], 2, "sluice: Unknown option '--wotch'"],
];

describe("the debugger with --watch", () => {
  it("moves to the new version, to the same port", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    await once(holder, "listening");
    const { port } = holder.address() as AddressInfo;
    holder.close();
    const file = writeApp("export default () => new Response('one');");
    const gateway = await serve(file, "--watch", `--inspect=${port}`);
    try {
      const openings = () =>
        gateway.log.filter(({ msg }) => msg.startsWith(`debugger listening on ws://127.0.0.1:${port}/`));
      await gateway.logged(() => openings().length === 1);
      writeFileSync(file, "export default () => new Response('two');");
      await gateway.logged(() => openings().length === 2);
      assert.equal(await get(gateway, "/"), "two");
      assert.notEqual(openings()[0]!["vm"], openings()[1]!["vm"]);
    } finally {
      await gateway.stop();
    }
  });
});

describe("a command line that cannot be meant", () => {
  for (const [args, code, said] of MISUSES) {
    it(`is refused: ${args.join(" ").replace(entry, "handler.ts")}`, async () => {
      const gateway = new TestGateway("", { args });
      assert.equal(await gateway.exited, code);
      const text = gateway.log[0]?.msg ?? "";
      assert.ok(text.startsWith(said), text);
    });
  }

  it("says who else has the port", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    await once(holder, "listening");
    const { port } = holder.address() as AddressInfo;
    const gateway = new TestGateway("", { args: ["serve", entry, "--port", String(port)] });
    assert.equal(await gateway.exited, 1);
    holder.close();
    const text = gateway.log.map(({ msg }) => msg).join("\n");
    assert.match(text, new RegExp(`127\\.0\\.0\\.1:${port}.*another process holds it`));
  });
});
