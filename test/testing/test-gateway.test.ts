// "sluice/test", as its users have it: gateways in this process, with the VMs of their apps.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { userInfo } from "node:os";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { createTestGateway } from "sluice/test";
import { writeApp } from "../apps/write-app.ts";

const HELLO = `
export default {
  async fetch(request: Request, env: Record<string, string>): Promise<Response> {
    const { pathname, host } = new URL(request.url);
    if (pathname === "/throw") throw new Error("broken");
    if (pathname === "/away") return Response.redirect("http://elsewhere.test/", 302);
    if (pathname === "/never") return await new Promise<Response>(() => {});
    if (pathname === "/clock") return new Response(new ReadableStream({ start: (c) => c.enqueue(Buffer.from("tick")) }));
    const { method, headers } = request;
    return Response.json({ pathname, host, method, said: env.SAID, length: headers.get("content-length"), body: await request.text() });
  },
};
`;
const CONFIG = `
apps: { hello: { entry: ENTRY, env: { SAID: one } } }
routing: { hello: { app: hello } }
`;

interface Said {
  readonly pathname: string;
  readonly host: string;
  readonly method: string;
  readonly said?: string;
  readonly length: string | null;
  readonly body: string;
}

async function said(response: Response): Promise<Said> {
  assert.equal(response.status, 200);
  return (await response.json()) as Said;
}

describe("createTestGateway", () => {
  const entry = writeApp(HELLO);
  const yaml = CONFIG.replace("ENTRY", entry);
  const file = join(dirname(entry), "sluice.yaml");
  writeFileSync(file, yaml);
  const ways = {
    "an object": { apps: { hello: { entry, env: { SAID: "one" } } }, routing: { hello: { app: "hello" } } },
    "YAML text": yaml,
    "the path of a file": file,
    "the URL of a file": pathToFileURL(file),
    "a handler": { handler: entry, env: { SAID: "one" } },
    "the URL of a handler": { handler: pathToFileURL(entry), env: { SAID: "one" } },
  };
  for (const [what, given] of Object.entries(ways)) {
    it(`runs ${what}`, async () => {
      await using gateway = await createTestGateway(given);
      assert.equal(gateway.url, `http://127.0.0.1:${gateway.port}`);
      assert.equal((await said(await gateway.fetch("/x"))).said, "one");
      assert.equal((await said(await fetch(`${gateway.url}/y`))).pathname, "/y");
    });
  }

  it("fetches by path, by URL and by Request, whatever the host", async () => {
    await using gateway = await createTestGateway({ handler: entry });
    const own = `127.0.0.1:${gateway.port}`;
    const body = { method: "POST", body: "hi" };
    const cases = [
      [await gateway.fetch("/a?b"), { pathname: "/a", host: own, method: "GET", length: null, body: "" }],
      [
        await gateway.fetch("/a", body),
        { pathname: "/a", host: own, method: "POST", length: "2", body: "hi" },
      ],
      [
        await gateway.fetch(new URL("https://shop.test/a"), body),
        { pathname: "/a", host: "shop.test", method: "POST", length: "2", body: "hi" },
      ],
      [
        await gateway.fetch(new Request("http://shop.test:81/a", { ...body, method: "PUT" })),
        { pathname: "/a", host: "shop.test:81", method: "PUT", length: null, body: "hi" },
      ],
      [
        await gateway.fetch("/a", { headers: { Host: "shop.test" } }),
        { pathname: "/a", host: "shop.test", method: "GET", length: null, body: "" },
      ],
    ] as const;
    for (const [response, expected] of cases) assert.deepEqual(await said(response), expected);
    const away = await gateway.fetch("/away");
    assert.equal(away.status, 302);
    assert.equal(away.headers.get("location"), "http://elsewhere.test/");
    const refused = gateway.fetch("/never", { signal: AbortSignal.abort(new Error("enough")) });
    await assert.rejects(refused, { message: "enough" });
  });

  it("gives an answer that comes before the request is sent", async () => {
    await using gateway = await createTestGateway({
      policies: { body_limit: { size: "1kb" } },
      apps: { hello: { entry } },
      routing: { hello: { app: "hello" } },
    });
    const body = "x".repeat(8_000_000);
    for (const init of [{ body }, { body: new Blob([body]).stream(), duplex: "half" as const }]) {
      const response = await gateway.fetch("/", { method: "POST", ...init });
      assert.equal(response.status, 413);
      assert.match(await response.text(), /body_too_large/);
    }
  });

  it("keeps the log, with what a handler threw", async () => {
    await using gateway = await createTestGateway({ handler: entry });
    const response = await gateway.fetch("/throw");
    assert.equal(response.status, 500);
    const line = await gateway.logged(({ level }) => level === "error");
    assert.match(JSON.stringify(line), /broken/);
    assert.ok(gateway.log.includes(line));
  });

  it("goes over to another configuration, or stays with the one before", async () => {
    await using gateway = await createTestGateway({ handler: entry, env: { SAID: "one" } });
    const { port } = gateway;
    const two = `two $\{PATH}`;
    await gateway.reload({ handler: entry, env: { SAID: two } });
    assert.equal(gateway.port, port);
    assert.equal((await said(await gateway.fetch("/"))).said, two);
    await assert.rejects(gateway.reload({ handler: "/nowhere/hello.ts" }), /\/nowhere\/hello\.ts/);
    const broken = writeApp("export default 3;");
    await assert.rejects(gateway.reload({ handler: broken }), /the default export is 3/);
    assert.equal((await said(await gateway.fetch("/"))).said, two);
  });

  it("reads the code of its apps again", async () => {
    const changing = writeApp(`export default () => new Response("one");`);
    await using gateway = await createTestGateway({ handler: changing });
    assert.equal(await (await gateway.fetch("/")).text(), "one");
    writeFileSync(changing, `export default () => new Response("two");`);
    await gateway.reload();
    assert.equal(await (await gateway.fetch("/")).text(), "two");
  });

  it("tells all that is wrong with a configuration", async () => {
    const wrong = {
      apps: { a: { entry: "/nowhere.ts", timeout: "5" } },
      routing: { r: { path: "x", app: "b" } },
    };
    await assert.rejects(createTestGateway(wrong), (error: Error) => {
      assert.match(error.message, /^Cannot use the configuration of the test gateway:\n/);
      for (const part of ["apps.a.entry", "apps.a.timeout", "routing.r.path"])
        assert.ok(error.message.includes(`the configuration: ${part}: cannot use`), error.message);
      return true;
    });
    await assert.rejects(createTestGateway("routing: { a: { app: b } }"), /the configuration:1:22: .*"b"/);
    await assert.rejects(createTestGateway("nowhere.yaml"), /nowhere\.yaml: cannot read the file/);
    await assert.rejects(
      createTestGateway({ handler: (() => {}) as never }),
      /expected the path of its file/,
    );
    await assert.rejects(createTestGateway(writeApp("export default 3;")), /cannot|expected/);
    const thrower = writeApp(`throw new Error("not today");`);
    await assert.rejects(
      createTestGateway({ handler: thrower }),
      /^Error: Cannot start the test gateway: .*not today/s,
    );
  });

  it("runs several at once, and answers nothing once closed", async () => {
    const gateways = await Promise.all(
      ["one", "two", "three"].map((text) => createTestGateway({ handler: entry, env: { SAID: text } })),
    );
    const answers = await Promise.all(
      gateways.map(async (gateway) => (await said(await gateway.fetch("/"))).said),
    );
    assert.deepEqual(answers, ["one", "two", "three"]);
    const [first, ...rest] = gateways;
    await first!.close();
    await first!.close();
    await assert.rejects(first!.fetch("/"), /was closed/);
    await assert.rejects(
      first!.logged(() => false),
      /was closed/,
    );
    assert.equal((await rest[0]!.fetch("/")).status, 200);
    await Promise.all(rest.map((gateway) => gateway.close()));
  });

  it("ends what is under way", async () => {
    const gateway = await createTestGateway({ handler: entry });
    const clock = await gateway.fetch("/clock");
    const reader = clock.body!.getReader();
    assert.equal(Buffer.from((await reader.read()).value!).toString(), "tick");
    const never = assert.rejects(gateway.fetch("/never"), TypeError);
    const unheard = assert.rejects(
      gateway.logged(() => false),
      /was closed, and has logged only/,
    );
    await gateway.close();
    await assert.rejects(reader.read());
    await never;
    await unheard;
  });

  it("changes nothing of the process, and takes no port that others may want", async () => {
    const { uid } = userInfo();
    await using gateway = await createTestGateway({
      server: { host: "0.0.0.0", port: 80, run_as: "65534:65534", workers: 2 },
      admin: { port: 9091 },
      routing: { all: { respond: { body: "well" } } },
    });
    assert.equal(userInfo().uid, uid);
    assert.notEqual(gateway.port, 80);
    const { msg } = await gateway.logged((line) => line.msg.includes("admin API"));
    assert.match(msg, /127\.0\.0\.1:\d+/);
    assert.doesNotMatch(msg, /:9091\b/);
    assert.equal(await (await gateway.fetch("/")).text(), "well");
  });

  it("leaves a process that ends by itself, without children", () => {
    const script = `
import { readFileSync } from "node:fs";
import { createTestGateway } from ${JSON.stringify(import.meta.resolve("sluice/test"))};
const gateway = await createTestGateway({ ...${JSON.stringify(ways["an object"])}, access_log: {} });
console.log(await (await gateway.fetch("/x")).text());
const children = () => readFileSync(\`/proc/self/task/\${process.pid}/children\`, "utf8").trim().split(" ")
  .filter((pid) => /vm\\.mjs/.test(readFileSync(\`/proc/\${pid}/cmdline\`, "utf8")));
console.log(children().length);
await gateway.close();
console.log(children().length);
`;
    const program = writeApp(script, "program.mjs");
    const ran = spawnSync(process.execPath, [program], { encoding: "utf8", timeout: 60_000 });
    assert.equal(ran.stderr, "");
    const [answer, ...counts] = ran.stdout.trim().split("\n");
    assert.match(answer!, /"pathname":"\/x"/);
    assert.deepEqual(counts, ["1", "0"]);
    assert.equal(ran.status, 0);
  });

  it("is what the package exports", () => {
    const resolved = createRequire(import.meta.url).resolve("sluice/test");
    assert.match(readFileSync(resolved, "utf8"), /testing\/test-gateway/);
  });
});
