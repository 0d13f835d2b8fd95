// Sockets that are bound and not listened on: real ones. Runs in the test process.

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { afterEach, describe, it } from "node:test";
import { type Place, SpareSockets } from "./spare-sockets.ts";

const isLinux = process.platform === "linux";

describe("spare sockets", { skip: isLinux ? false : "only Linux shares a port between sockets" }, () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  /** Answers each connection with `text` and ends it. */
  async function serve(text: string, place: object): Promise<Server> {
    const server = createServer((socket) => socket.end(text));
    server.listen(place);
    await once(server, "listening");
    servers.push(server);
    return server;
  }

  async function listener(host: string): Promise<Place> {
    const server = await serve("first", { host, port: 0, reusePort: true });
    const { port } = server.address() as AddressInfo;
    return { host, port };
  }

  async function ask({ host, port }: Place): Promise<string> {
    const socket = connect(port, host).setEncoding("utf8");
    return (await socket.toArray()).join("");
  }

  for (const host of ["127.0.0.1", "::1", "localhost"]) {
    it(`get no connection before somebody listens on them (${host})`, async () => {
      const spec = await listener(host);
      const spares = await SpareSockets.bind([spec]);
      for (let i = 0; i < 50; i++) assert.equal(await ask(spec), "first");
      const [fd] = spares.take([spec]);
      await serve("second", { fd });
      servers.shift()!.close();
      assert.equal(await ask(spec), "second");
      spares.close();
    });
  }

  it("are given once each, and then there is none", async () => {
    const spec = await listener("127.0.0.1");
    const other = { ...spec, host: "127.0.0.2" };
    const spares = await SpareSockets.bind([spec]);
    const taken = Array.from({ length: 9 }, () => spares.take([other, spec]));
    assert.equal(new Set(taken.map(([, fd]) => fd)).size, 9);
    assert.equal(taken.at(-1)![1], null);
    assert.deepEqual(new Set(taken.map(([fd]) => fd)), new Set([null]));
  });

  it("are gone for a port that is not listened on any more", async () => {
    const [kept, gone] = [await listener("127.0.0.1"), await listener("127.0.0.1")];
    const spares = await SpareSockets.bind([kept, gone]);
    spares.keepOnly([kept]);
    const [one, none] = spares.take([kept, gone]);
    assert.equal(typeof one, "number");
    assert.equal(none, null);
    spares.close();
    assert.deepEqual(spares.take([kept, gone]), [null, null]);
  });
});
