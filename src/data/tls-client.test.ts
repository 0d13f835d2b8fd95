// TLS connections as a pool makes them, over real ones: how their end is told apart, and what a session is worth. Runs in
// the test process; whole handshakes are in test/upstream/tls-handshake.test.ts.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { makeCertificates, type TestCertificates } from "../../test/support/certificates.ts";
import { connectSocket, READ_BUFFER_BYTES } from "./socket.ts";
import { endedByNotice, sendBeforeHandshake, TlsClient } from "./tls-client.ts";

const BUFFER = Buffer.alloc(READ_BUFFER_BYTES);
const BODY = Buffer.alloc(100_000, "x");

let folder: string;
let certificates: TestCertificates;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-tls-"));
  certificates = await makeCertificates(folder);
});
after(() => rm(folder, { recursive: true }));

function clientFor(serverName: string | null, verify = true): TlsClient {
  const tls = { ca: certificates.ca.cert, cert: null, key: null, serverName, verify };
  return new TlsClient(tls, { id: "b", hostName: "localhost" });
}

async function listening(server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  describe(`a connection with ${version}`, () => {
    let server: Server;
    let port: number;
    let serve: (socket: TLSSocket) => void;
    before(async () => {
      const { cert, key } = certificates.server;
      server = createServer({ cert, key, maxVersion: version }, (socket) => {
        socket.on("error", () => {});
        serve(socket);
      });
      port = await listening(server);
    });
    after(() => server.close());

    /** Opens one, and hands what comes to `receive`. */
    function open(client: TlsClient, receive: (socket: Socket, chunk: Buffer) => void = () => {}): TLSSocket {
      const place = { host: "127.0.0.1", port, socketPath: null };
      const socket = connectSocket(place, client, BUFFER, {
        receive: (chunk) => receive(socket, chunk),
        failed: (bug) => socket.destroy(bug as Error),
      }) as TLSSocket;
      return socket;
    }

    const pausing = (socket: Socket) => {
      socket.pause();
      setImmediate(() => socket.resume());
    };
    const ENDS: ReadonlyArray<{
      readonly title: string;
      readonly end: (socket: TLSSocket) => void;
      readonly receive?: (socket: Socket) => void;
      readonly said: boolean;
    }> = [
      { title: "a notice", end: (socket) => socket.end(BODY), said: true },
      {
        title: "a notice, to one that stops with each chunk",
        end: (socket) => socket.end(BODY),
        receive: pausing,
        said: true,
      },
      {
        title: "a notice, to one that reads no more",
        end: (socket) => socket.end("x"),
        receive: (socket) => socket.pause(),
        said: true,
      },
      { title: "no notice", end: (socket) => socket.write(BODY, () => socket.destroy()), said: false },
      {
        title: "no notice, to one that stops with each chunk",
        end: (socket) => socket.write(BODY, () => socket.destroy()),
        receive: pausing,
        said: false,
      },
    ];
    for (const { title, end, receive, said } of ENDS) {
      it(`ends with ${title}`, async () => {
        serve = end;
        let bytes = 0;
        const socket = open(clientFor(null), (own, chunk) => {
          bytes += chunk.length;
          receive?.(own);
        });
        await once(socket, "end");
        assert.equal(endedByNotice(socket), said);
        assert.ok(bytes === BODY.length || bytes === 1, `${bytes} bytes`);
        socket.destroy();
      });
    }

    it("resumes the session of the one before, and none whose certificate did not fit", async () => {
      serve = (socket) => socket.end("x");
      const fitting = clientFor("backend.test");
      const reused: boolean[] = [];
      for (let i = 0; i < 3; i++) {
        const socket = open(fitting);
        await once(socket, "end");
        reused.push(socket.isSessionReused());
        socket.destroy();
      }
      assert.deepEqual(reused, [false, true, true]);
      const other = clientFor("other.test");
      for (let i = 0; i < 2; i++)
        await assert.rejects(once(open(other), "secureConnect"), /expected "other\.test"/);
    });
  });
}

describe("bytes before a handshake", () => {
  it("come first, and the handshake behind them", async (t) => {
    const server = createTcpServer();
    const port = await listening(server);
    t.after(() => server.close());
    const accepted = once(server, "connection") as Promise<[Socket]>;
    const socket = clientFor(null).connect({ host: "127.0.0.1", port });
    socket.on("error", () => {});
    socket.prependListener("connect", () => sendBeforeHandshake(socket, Buffer.from("first\r\n")));
    const [peer] = await accepted;
    let received = Buffer.alloc(0);
    while (received.length < 10)
      received = Buffer.concat([received, (await once(peer, "data"))[0] as Buffer]);
    // 22: a handshake record (RFC 8446 section 5.1).
    assert.deepEqual([received.toString("latin1", 0, 7), received[7]], ["first\r\n", 22]);
    socket.destroy();
    peer.destroy();
  });
});

describe("certificates of the file", () => {
  it("that do not go together are refused, with the backend they are for", () => {
    const { client, server } = certificates;
    const tls = { ca: null, cert: client.cert, key: server.key, serverName: null, verify: false };
    assert.throws(
      () => new TlsClient(tls, { id: "b1", hostName: "localhost" }),
      /cannot use the certificates of backend "b1": .*key values mismatch/,
    );
  });
});
