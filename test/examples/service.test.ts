// examples/service, run as it is: as root it goes on as nobody, else as who runs the test.

import assert from "node:assert/strict";
import { chownSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { get } from "node:https";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { ask } from "../http/client.ts";
import { IS_ROOT, NOBODY } from "../service/privileged.ts";
import { makeCertificates } from "../support/certificates.ts";
import { TestGateway } from "../support/gateway.ts";
import { answering, RawBackend } from "../support/raw.ts";

const GET = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";

test("over TLS, as another user, with a log that can be moved away", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-example-"));
  const { server } = await makeCertificates(folder);
  if (IS_ROOT) chownSync(folder, NOBODY.uid, NOBODY.gid);
  const backend = await RawBackend.start(answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
  t.after(() => backend.stop());
  const gateway = await TestGateway.startExample("service", {
    HOST: "127.0.0.1",
    TLS_PORT: "0",
    RUN_AS: IS_ROOT ? "nobody" : userInfo().username,
    CERTIFICATES: folder,
    LOGS: folder,
    BACKEND_PORT: String(backend.port),
    ADMIN_PORT: "0",
  });
  t.after(() => gateway.stop("SIGKILL"));
  // Not before: the gateway may open its log once more.
  t.after(() => rmSync(folder, { recursive: true }));
  const { status, fields } = (await ask(gateway.port, GET)).answer;
  assert.equal(status, 308);
  assert.ok(
    fields.some(([name, value]) => name.toLowerCase() === "location" && value.startsWith("https://test")),
  );

  const { msg } = await gateway.logged((line) => line.msg.startsWith("listening on "));
  const [, port] = /https:\/\/127\.0\.0\.1:(\d+)/.exec(msg)!;
  const ca = readFileSync(server.certFile.replace("server", "ca"));
  const body = await new Promise<string>((resolve, reject) => {
    get({ host: "127.0.0.1", port, ca }, (response) => resolve(text(response))).on("error", reject);
  });
  assert.equal(body, "hello");

  const uid = IS_ROOT ? NOBODY.uid : process.getuid!();
  assert.match(
    readFileSync(`/proc/${gateway.process.pid}/status`, "utf8"),
    new RegExp(`^Uid:\t${uid}\t`, "m"),
  );
  const log = join(folder, "access.log");
  renameSync(log, `${log}.1`);
  gateway.process.kill("SIGUSR2");
  while (!existsSync(log)) await ask(gateway.port, GET);
});
