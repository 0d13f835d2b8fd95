// New code is gone over to whole: by itself where it is watched, on SIGHUP elsewhere, and without a lost request.

import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { Agent, get as httpGet, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { type LogLine, TestGateway } from "../support/gateway.ts";
import { writeFiles } from "./write-app.ts";

const answering = (text: string) => `export default (): Response => new Response(${JSON.stringify(text)});\n`;

class Served {
  readonly gateway: TestGateway;
  readonly folder: string;

  static async start(files: Record<string, string>, more: readonly string[] = ["--watch"]): Promise<Served> {
    const folder = writeFiles(files);
    const args = ["serve", join(folder, "app.ts"), "--port", "0", ...more];
    return new Served(await TestGateway.start("", { args }), folder);
  }

  constructor(gateway: TestGateway, folder: string) {
    this.gateway = gateway;
    this.folder = folder;
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text);
  }

  async answer(): Promise<string> {
    return await (await fetch(`http://127.0.0.1:${this.gateway.port}/`)).text();
  }

  /** Resolves when it answers so. */
  async answers(text: string): Promise<void> {
    while ((await this.answer()) !== text) await wait(20);
  }

  count(msg: string): number {
    return this.gateway.log.filter((line) => line.msg === msg).length;
  }

  async stop(): Promise<void> {
    await this.gateway.stop();
    rmSync(this.folder, { recursive: true });
  }
}

const RELOADED = "code of apps reloaded";

describe("--watch", { timeout: 120_000 }, () => {
  it("goes over to a change of the entry, of what it imports, of JSON, of a package and of tsconfig.json", async () => {
    const served = await Served.start({
      "app.ts": `
import { text } from "./lib/text.ts";
import { json } from "./data.json";
import name from "some-package";
import { aliased } from "alias";
export default () => new Response(["entry", text, json, name, aliased].join(" "));
`,
      "lib/text.ts": 'export const text = "import";',
      "data.json": '{ "json": "json" }',
      "node_modules/some-package/index.js": 'module.exports = "package";',
      "one.ts": 'export const aliased = "one";',
      "two.ts": 'export const aliased = "two";',
      "tsconfig.json": '{ "compilerOptions": { "paths": { "alias": ["./one.ts"] } } }',
    });
    try {
      assert.equal(await served.answer(), "entry import json package one");
      served.write("lib/text.ts", 'export const text: string = "IMPORT";');
      await served.answers("entry IMPORT json package one");
      served.write("data.json", '{ "json": "JSON" }');
      await served.answers("entry IMPORT JSON package one");
      served.write("node_modules/some-package/index.js", 'module.exports = "PACKAGE";');
      await served.answers("entry IMPORT JSON PACKAGE one");
      served.write("tsconfig.json", '{ "compilerOptions": { "paths": { "alias": ["./two.ts"] } } }');
      await served.answers("entry IMPORT JSON PACKAGE two");
      served.write("app.ts", answering("other"));
      await served.answers("other");
      assert.equal(served.count(RELOADED), 5);
    } finally {
      await served.stop();
    }
  });

  it("leaves the version before where a build fails, prints file, line and code, and goes on with the next change", async () => {
    const served = await Served.start({ "app.ts": answering("one") });
    try {
      served.write("app.ts", 'import { two } from "./two.ts";\nexport default () => new Response(two;\n');
      const { msg } = await served.gateway.logged((line) => line.msg.startsWith("Cannot build"));
      assert.match(msg, /app\.ts:2:37:\n +2 │ export default \(\) => new Response\(two;\n +│ +\^/);
      await served.gateway.logged((line) => line.msg === "code of apps not reloaded: the one before goes on");
      assert.equal(await served.answer(), "one");
      served.write(
        "app.ts",
        'import { two } from "./lib/two.ts";\nexport default () => new Response(two);\n',
      );
      await served.gateway.logged((line) => line.msg.includes('Could not resolve "./lib/two.ts"'));
      assert.equal(await served.answer(), "one");
      // The folder is not there either.
      writeFiles({ "lib/two.ts": 'export const two = "two";' }, served.folder);
      await served.answers("two");
      served.write("app.ts", 'throw new Error("while it loads");\n');
      const failed = await served.gateway.logged((line) => line.msg.includes("cannot be started: Error"));
      assert.match(failed.msg, /app\.ts:1:7:\n +1 │ throw new Error\("while it loads"\);/);
      assert.equal(await served.answer(), "two");
      served.write("app.ts", answering("three"));
      await served.answers("three");
    } finally {
      await served.stop();
    }
  });

  it("tries a build that fails once for each change, also where more has changed than it came to", async () => {
    const served = await Served.start({
      "app.ts": 'import { b } from "./b.ts";\nexport default () => new Response(b);\n',
      "b.ts": 'export const b = "one";',
    });
    try {
      served.write("b.ts", 'export const b = "two";');
      served.write("app.ts", 'import { b } from "./b.ts"; 1 1;\n');
      const failures = () => served.gateway.log.filter(({ msg }) => msg.startsWith("Cannot build")).length;
      await served.gateway.logged(({ msg }) => msg.startsWith("Cannot build"));
      // Ten looks.
      await wait(1000);
      assert.equal(failures(), 1);
      served.write("app.ts", 'import { b } from "./b.ts";\nexport default () => new Response(b + "!");\n');
      await served.answers("two!");
      assert.equal(failures(), 1);
    } finally {
      await served.stop();
    }
  });

  it("sees an entry that was gone for a while", async () => {
    const served = await Served.start({ "app.ts": answering("one") });
    try {
      rmSync(join(served.folder, "app.ts"));
      await served.gateway.logged(({ msg }) => msg.startsWith("Cannot build"));
      assert.equal(await served.answer(), "one");
      served.write("app.ts", answering("two"));
      await served.answers("two");
    } finally {
      await served.stop();
    }
  });

  it("waits for a change where the first version cannot be served", async () => {
    const folder = writeFiles({
      "app.ts": 'import { a } from "./a.ts";\nexport default () => new Response(a);\n',
    });
    const args = ["serve", join(folder, "app.ts"), "--port", "0", "--watch"];
    const gateway = new TestGateway("", { args });
    const waits = async (times: number) => {
      await gateway.logged(
        (_line, at) =>
          gateway.log.slice(0, at + 1).filter(({ msg }) => msg.startsWith("waiting for a change")).length ===
          times,
      );
    };
    await waits(1);
    assert.ok(gateway.log.some(({ msg }) => msg.includes('Could not resolve "./a.ts"')));
    writeFileSync(join(folder, "a.ts"), 'throw new Error("first"); export const a = 1;');
    await waits(2);
    assert.ok(gateway.log.some(({ msg }) => msg.includes("cannot be started: Error: first")));
    writeFileSync(join(folder, "a.ts"), 'export const a = "fine";');
    const { msg } = await gateway.logged((line) => line.msg.startsWith("listening on"));
    assert.equal(await (await fetch(`${msg.slice("listening on ".length)}/`)).text(), "fine");
    assert.equal(await gateway.stop("SIGINT"), 0);
  });

  it("misses nothing that changes while a version is built, and makes few versions of many changes", async () => {
    const served = await Served.start({ "app.ts": answering("start") });
    try {
      for (let round = 1; round <= 12; round++) {
        for (let i = 0; i <= 20; i++) served.write("app.ts", answering(`${round} of ${i}`));
        // Where the build before has come to is another moment each time.
        await wait(40 * round);
      }
      await served.answers("12 of 20");
      const versions = served.count(RELOADED);
      assert.ok(versions <= 13, `${versions} versions of 252 changes`);
    } finally {
      await served.stop();
    }
  });

  it("makes no version of a file that was touched only", async () => {
    const served = await Served.start({ "app.ts": answering("one") });
    try {
      served.write("app.ts", answering("one"));
      await wait(500);
      served.write("app.ts", answering("two"));
      await served.answers("two");
      const line = await served.gateway.logged(({ msg }) => msg === RELOADED);
      assert.equal(line["version"], 2);
    } finally {
      await served.stop();
    }
  });

  it("goes over to a changed configuration, too, with `sluice run`", async () => {
    const folder = writeFiles({ "app.ts": answering("code") });
    const config = (path: string) =>
      `{ "server": { "host": "127.0.0.1", "port": 0, "workers": 1 },
         "apps": { "a": { "entry": "${folder}/app.ts" } }, "routing": { "a": { "path": "${path}", "app": "a" } } }`;
    const file = join(folder, "sluice.yaml");
    writeFileSync(file, config("/one"));
    const gateway = await TestGateway.start("", { args: ["run", "-c", file, "--watch"] });
    try {
      const get = async (path: string) => {
        const response = await fetch(`http://127.0.0.1:${gateway.port}${path}`);
        return response.status === 200 ? await response.text() : response.status;
      };
      assert.deepEqual([await get("/one"), await get("/two")], ["code", 404]);
      writeFileSync(file, config("/two"));
      await gateway.logged(({ msg }) => msg === "configuration reloaded");
      assert.deepEqual([await get("/one"), await get("/two")], [404, "code"]);
      writeFileSync(join(folder, "app.ts"), answering("new code"));
      await gateway.logged(({ msg }) => msg === RELOADED);
      assert.equal(await get("/two"), "new code");
    } finally {
      await gateway.stop();
    }
  });
});

describe("without --watch", () => {
  it("nothing is watched, and SIGHUP goes over to the code", async () => {
    const served = await Served.start({ "app.ts": answering("one") }, []);
    try {
      served.write("app.ts", answering("two"));
      // Ten looks of a watch.
      await wait(1000);
      assert.equal(await served.answer(), "one");
      await served.gateway.reload();
      assert.equal(await served.answer(), "two");
      served.write("app.ts", "export default 1 1;");
      const { level } = await served.gateway.reload();
      assert.equal(level, "error");
      assert.ok(served.gateway.log.some(({ msg }) => msg.startsWith("Cannot build")));
      assert.equal(await served.answer(), "two");
    } finally {
      await served.stop();
    }
  });

  it("a secret that changed is gone over to with the code that is served, whatever the files have", async () => {
    const folder = writeFiles({
      "app.ts": "export default (_: Request, env: { S: string }) => new Response('one ' + env.S);",
      secret: "first",
    });
    const gateway = await TestGateway.start(`
apps: { app: { entry: ${folder}/app.ts, secrets: { S: ${folder}/secret } } }
routing: { all: { app: app } }
`);
    const served = new Served(gateway, folder);
    try {
      assert.equal(await served.answer(), "one first");
      served.write("app.ts", "export default 1 1;");
      served.write("secret", "second");
      await gateway.logged(({ msg }) => msg === "changed files reloaded");
      assert.equal(await served.answer(), "one second");
    } finally {
      await served.stop();
    }
  });

  it("what did not change stays, with its VMs", async () => {
    const folder = writeFiles({
      "one.ts": "let n = 0;\nexport default () => new Response(String(++n));",
      "two.ts": answering("two"),
    });
    const gateway = await TestGateway.start(`
apps: { one: { entry: ${folder}/one.ts }, two: { entry: ${folder}/two.ts } }
routing: { one: { path: /, app: one }, two: { path: /two, app: two } }
`);
    const served = new Served(gateway, folder);
    try {
      assert.equal(await served.answer(), "1");
      served.write("two.ts", answering("TWO"));
      await gateway.reload();
      assert.equal(await served.answer(), "2");
      assert.equal(await (await fetch(`http://127.0.0.1:${gateway.port}/two`)).text(), "TWO");
    } finally {
      await served.stop();
    }
  });
});

/** Answers with its version in head and body, the body in pieces over some turns of the event loop. */
const versioned = (version: number) => `
const version = ${version};
export default async (request: Request): Promise<Response> => {
  const sent = await request.text();
  let pieces = 3;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      controller.enqueue(new TextEncoder().encode(version + " "));
      if (--pieces === 0) controller.close();
    },
  });
  return new Response(body, { headers: { "X-Version": String(version), "X-Sent": String(sent.length) } });
};
`;

/** Sends one request after the other until it is told to stop. */
class Load {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 });
  readonly #port: number;
  readonly #workers: Promise<void>[];
  readonly versions = new Map<number, number>();
  readonly faults: string[] = [];
  #stopping = false;

  constructor(port: number) {
    this.#port = port;
    this.#workers = Array.from({ length: 16 }, () => this.#work());
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#workers);
    this.#agent.destroy();
  }

  async #work(): Promise<void> {
    while (!this.#stopping) {
      try {
        const { status, version, body } = await this.#ask();
        if (status !== 200 || body !== `${version} `.repeat(3))
          this.faults.push(`${status} of ${version}: ${body}`);
        this.versions.set(version, (this.versions.get(version) ?? 0) + 1);
      } catch (error) {
        this.faults.push(String(error));
      }
    }
  }

  #ask(): Promise<{ status: number; version: number; body: string }> {
    return new Promise((resolve, reject) => {
      const receive = async (response: IncomingMessage) => {
        try {
          let body = "";
          for await (const piece of response) body += String(piece);
          const status = response.statusCode ?? 0;
          resolve({ status, version: Number(response.headers["x-version"]), body });
        } catch (error) {
          reject(error as Error);
        }
      };
      const target = { host: "127.0.0.1", port: this.#port, agent: this.#agent };
      httpGet(target, (response) => void receive(response)).on("error", reject);
    });
  }
}

describe("reloading under load", { timeout: 120_000 }, () => {
  const RELOADS = 20;
  it(`loses no request over ${RELOADS} reloads, and each is answered wholly by one version`, async () => {
    const folder = writeFiles({ "app.ts": versioned(0) });
    const gateway = await TestGateway.start(
      `apps: { app: { entry: ${folder}/app.ts, instances: 2 } }\nrouting: { all: { app: app } }\n`,
      { server: "workers: 2" },
    );
    const load = new Load(gateway.port);
    try {
      for (let version = 1; version <= RELOADS; version++) {
        writeFileSync(join(folder, "app.ts"), versioned(version));
        const { level } = await gateway.reload();
        assert.equal(level, "info");
        while (!load.versions.has(version) && load.faults.length === 0) await wait(5);
      }
    } finally {
      await load.stop();
      await gateway.stop();
    }
    const requests = [...load.versions.values()].reduce((sum, count) => sum + count, 0);
    assert.deepEqual(load.faults, [], `of ${requests} requests`);
    assert.equal(load.versions.size, RELOADS + 1);
    assert.deepEqual(outcomesIn(gateway.log), new Set(["replaced"]));
  });
});

/** How VMs ended, by the log. */
function outcomesIn(log: readonly LogLine[]): Set<unknown> {
  return new Set(log.flatMap((line) => (line["outcome"] === undefined ? [] : [line["outcome"]])));
}
