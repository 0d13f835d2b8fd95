// What VMs are kept in, as whom they run, and that the next one is too. Real gateways, most of them root's.

import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { dirname } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { NOBODY, needsReadableSource, needsRoot } from "../service/privileged.ts";
import { type GatewayOptions, TestGateway } from "../support/gateway.ts";
import { writeApp } from "./write-app.ts";

/** Says who it is; `/end` ends it. */
const WHO = `
export default (request: Request) => {
  if (new URL(request.url).pathname.endsWith("/end")) process.exit(1);
  return Response.json([process.getuid!(), process.getgid!()]);
};
`;
/** Hides a part of /proc, as units of systemd and containers do; the kernel then mounts no other. */
const HIDDEN_PROC = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc/sys && exec "$@"', "sh"];
/** In which there is no `unshare`. */
const NO_PROGRAMS = { PATH: "/nowhere" };
const AS_NOBODY: GatewayOptions = { server: "run_as: '65534:65534'", owner: NOBODY };

async function start(t: TestContext, isolations: readonly string[], options: GatewayOptions = {}) {
  const entry = writeApp(WHO);
  chmodSync(dirname(entry), 0o755);
  const apps = isolations.map((isolation) => `${isolation}: { entry: ${entry}, isolation: ${isolation} }`);
  const routes = isolations.map((isolation) => `${isolation}: { path: /${isolation}, app: ${isolation} }`);
  const gateway = await TestGateway.start(
    `apps: { ${apps.join(", ")} }\nrouting: { ${routes.join(", ")} }`,
    options,
  );
  t.after(() => gateway.stop());
  return async (path: string) => await fetch(`http://127.0.0.1:${gateway.port}/${path}`);
}

async function ids(response: Response): Promise<unknown> {
  assert.equal(response.status, 200);
  return await response.json();
}

describe("the isolation of an app", () => {
  it("is each app's own", needsRoot, async (t) => {
    const ask = await start(t, ["namespaces", "user", "none"]);
    assert.deepEqual(await ids(await ask("namespaces")), [0, 0]);
    assert.deepEqual(await ids(await ask("user")), [NOBODY.uid, NOBODY.gid]);
    assert.deepEqual(await ids(await ask("none")), [0, 0]);
  });

  it("holds for the VM that comes after one that ended", needsReadableSource, async (t) => {
    const ask = await start(t, ["namespaces", "none"], AS_NOBODY);
    for (const isolation of ["namespaces", "none"]) {
      assert.deepEqual(await ids(await ask(isolation)), [NOBODY.uid, NOBODY.gid]);
      assert.equal((await ask(`${isolation}/end`)).status, 502);
      assert.deepEqual(await ids(await ask(isolation)), [NOBODY.uid, NOBODY.gid]);
    }
  });

  it("is namespaces also where parts of /proc are hidden", needsRoot, async (t) => {
    const ask = await start(t, ["namespaces"], { prefix: HIDDEN_PROC });
    assert.deepEqual(await ids(await ask("namespaces")), [0, 0]);
  });

  it("is another user where there are no namespaces", needsRoot, async (t) => {
    const ask = await start(t, ["auto"], { env: NO_PROGRAMS });
    assert.deepEqual(await ids(await ask("auto")), [NOBODY.uid, NOBODY.gid]);
  });

  const refusals = [
    ["user", AS_NOBODY, /in isolation "user": only a gateway that stays root/],
    ["namespaces", { env: NO_PROGRAMS }, /in isolation "namespaces": "unshare" cannot make them/],
  ] as const;
  for (const [isolation, options, expected] of refusals) {
    it(`is refused where it cannot be had: ${isolation}`, needsRoot, async (t) => {
      const app = `{ entry: ${writeApp(WHO)}, isolation: ${isolation} }`;
      const gateway = new TestGateway(`apps: { a: ${app} }\nrouting: { a: { app: a } }`, options);
      t.after(() => gateway.stop());
      assert.equal(await gateway.exited, 1);
      assert.match(gateway.log.map(({ msg }) => msg).join("\n"), expected);
    });
  }
});
