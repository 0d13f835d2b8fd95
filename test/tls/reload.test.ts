// Certificates change while the gateway serves: by a signal, by themselves, under load, and to what cannot be used. Session
// tickets are good for every data thread, before and after. Real gateway process, two data threads.

import assert from "node:assert/strict";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { makeCertificates, type TestCertificate, type TestCertificates } from "../support/certificates.ts";
import { TestGateway } from "../support/gateway.ts";
import { GET, TlsTestClient } from "./tls-client.ts";

const SWAPS = 12;
const OPTIONS = { server: "workers: 2" };

let folder: string;
let certificates: TestCertificates;
let gateway: TestGateway;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-swap-"));
  certificates = await makeCertificates(folder);
  await put(certificates.server);
  gateway = await TestGateway.start(configuration("ok"), OPTIONS);
});
after(async () => {
  await gateway.stop("SIGKILL");
  await rm(folder, { recursive: true });
});

function configuration(body: string): string {
  return `ssl: { enabled: true, cert_file: ${folder}/live.pem, key_file: ${folder}/live.key }
routing: { all: { respond: { body: "${body}" } } }
`;
}

async function put({ certFile, keyFile }: TestCertificate): Promise<void> {
  await copyFile(certFile, join(folder, "live.pem"));
  await copyFile(keyFile, join(folder, "live.key"));
}

async function authority(t: TestContext): Promise<string | undefined> {
  const { socket } = await TlsTestClient.open(t, gateway.port);
  return socket.getPeerX509Certificate()?.issuer;
}

describe("a certificate", { timeout: 60_000 }, () => {
  it("that changes is read again, and connections go on", async (t) => {
    const client = await TlsTestClient.open(t, gateway.port);
    await client.ask();
    const from = gateway.log.length;
    await put(certificates.otherServer);
    await gateway.logged(({ msg }, at) => at >= from && msg === "changed files reloaded");
    assert.equal(await authority(t), "CN=other-ca");
    await client.ask();
  });

  it("is read again at a signal", async (t) => {
    await put(certificates.server);
    const { msg } = await gateway.reload();
    assert.equal(msg, "configuration reloaded");
    assert.equal(await authority(t), "CN=ca");
  });

  it("that does not fit its key is said, and the old one stays", async (t) => {
    const from = gateway.log.length;
    await copyFile(certificates.otherServer.certFile, join(folder, "live.pem"));
    const { level } = await gateway.logged(
      ({ msg }, at) => at >= from && msg === "changed files not reloaded: those before go on",
    );
    assert.equal(level, "error");
    const why = gateway.log.slice(from).find(({ msg }) => msg.includes("ssl.key_file"));
    assert.match(why?.msg ?? "", /expected the key of the certificate: it belongs to another one$/);
    assert.equal(await authority(t), "CN=ca");
    // A reload of the configuration keeps what was before, too.
    const { msg } = await gateway.reload();
    assert.equal(msg, "configuration not reloaded: the one before goes on");
    assert.equal(await authority(t), "CN=ca");
  });

  it("is taken when its key is there", async (t) => {
    const from = gateway.log.length;
    await copyFile(certificates.otherServer.keyFile, join(folder, "live.key"));
    await gateway.logged(({ msg }, at) => at >= from && msg === "changed files reloaded");
    assert.equal(await authority(t), "CN=other-ca");
  });

  it("that changes takes nothing else of the configuration with it", async (t) => {
    const from = gateway.log.length;
    gateway.configure(configuration("changed and not said to be finished"), OPTIONS);
    await put(certificates.server);
    await gateway.logged(({ msg }, at) => at >= from && msg === "changed files reloaded");
    const client = await TlsTestClient.open(t, gateway.port);
    assert.match(await client.ask(), /\r\n\r\nok$/);
    gateway.configure(configuration("ok"), OPTIONS);
  });

  it("that is no certificate any more is said without a word of what is in the file", async () => {
    const from = gateway.log.length;
    await writeFile(
      join(folder, "live.key"),
      "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
    );
    await gateway.logged(({ msg }, at) => at >= from && msg.startsWith("changed files not reloaded"));
    assert.ok(gateway.log.slice(from).every((line) => !JSON.stringify(line).includes("c2VjcmV0")));
    await put(certificates.server);
    await gateway.reload();
  });
});

describe("a swap of certificates under load", { timeout: 60_000 }, () => {
  it("fails no request and no handshake", async (t) => {
    const load = { requests: 0, stopped: false };
    const kept = [1, 2, 3].map(async () => {
      const client = await TlsTestClient.open(t, gateway.port);
      while (!load.stopped) {
        await client.ask(GET, "\r\n\r\nok");
        load.requests++;
      }
    });
    const fresh = [1, 2].map(async () => {
      while (!load.stopped) {
        const client = await TlsTestClient.open(t, gateway.port);
        await client.ask(GET, "\r\n\r\nok");
        client.destroy();
        load.requests++;
      }
    });
    for (let i = 0; i < SWAPS; i++) {
      await put(i % 2 === 0 ? certificates.otherServer : certificates.server);
      const { level } = await gateway.reload();
      assert.equal(level, "info");
    }
    load.stopped = true;
    await Promise.all([...kept, ...fresh]);
    assert.ok(load.requests > SWAPS, `${load.requests}`);
  });
});

describe("a session", { timeout: 60_000 }, () => {
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    it(`of ${version} is resumed by whichever thread, also after a reload`, async (t) => {
      const options = { minVersion: version, maxVersion: version };
      const first = await TlsTestClient.open(t, gateway.port, options);
      const { promise: ticket, resolve } = Promise.withResolvers<Buffer>();
      first.socket.on("session", resolve);
      await first.ask();
      const session = version === "TLSv1.2" ? first.socket.getSession()! : await ticket;
      for (let i = 0; i < 16; i++) {
        if (i === 8) await gateway.reload();
        const client = await TlsTestClient.open(t, gateway.port, { ...options, session });
        assert.equal(client.socket.isSessionReused(), true, `${i}`);
      }
    });
  }
});
