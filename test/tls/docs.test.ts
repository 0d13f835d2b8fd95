// The examples of docs/tls.md are configurations that work, with certificates in the place of those they name. Runs in the
// test process.

import assert from "node:assert/strict";
import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { makeCertificates } from "../support/certificates.ts";
import { load } from "../support/loading.ts";

test("every example about TLS loads without a problem or a warning", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "sluice-docs-"));
  t.after(() => rm(folder, { recursive: true }));
  const { server, otherServer, ca } = await makeCertificates(folder);
  await copyFile(otherServer.certFile, join(folder, "shop.pem"));
  await copyFile(otherServer.keyFile, join(folder, "shop.key"));
  await copyFile(ca.certFile, join(folder, "clients.pem"));
  assert.equal(server.certFile, join(folder, "server.pem"));
  const text = await readFile(new URL("../../docs/tls.md", import.meta.url), "utf8");
  const examples = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, example = ""]) => example);
  assert.ok(examples.length >= 4);
  for (const example of examples) {
    const routes = example.includes("routing:") ? "" : "routing: { all: { respond: { body: ok } } }\n";
    const result = load(example.replaceAll("/etc/sluice/", `${folder}/`) + routes);
    assert.deepEqual(result.ok ? result.warnings : result.problems, [], example);
  }
});
