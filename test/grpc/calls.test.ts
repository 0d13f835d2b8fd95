// gRPC of every kind through the gateway, with @grpc/grpc-js on both ends: h2c and TLS. Real gateway process.

import assert from "node:assert/strict";
import { type EventEmitter, once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it, type TestContext } from "node:test";
import { ChannelCredentials, Metadata, ServerCredentials, type StatusObject } from "@grpc/grpc-js";
import { makeCertificates, type TestCertificates } from "../support/certificates.ts";
import { TestGateway } from "../support/gateway.ts";
import { ECHO, GrpcBackend, GrpcClient, Status } from "./service.ts";

/** As docs/grpc.md has it: a stream may be silent for long. */
const ROUTE = "limits: { min_body_rate: 0, body_size: 100MB }, timeouts: { idle: 1h, response: 30s }";

function configFor(backend: string, route = ROUTE): string {
  return `backends: { grpc: [{ host: 127.0.0.1, protocol: h2, ${backend} }] }
routing: { all: { upstream: grpc, ${route} } }
`;
}

let folder: string;
let certificates: TestCertificates;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-grpc-"));
  certificates = await makeCertificates(folder);
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Of a call, whatever becomes of it. */
function endOf(call: EventEmitter): Promise<StatusObject> {
  return new Promise((resolve) => {
    call.on("error", () => {});
    call.on("status", resolve);
  });
}

/** No certificate is asked for by an address. */
const NAMED = { "grpc.ssl_target_name_override": "localhost" };

interface Way {
  readonly backend: GrpcBackend;
  readonly gateway: TestGateway;
  readonly client: GrpcClient;
}

async function plainWay(): Promise<Way> {
  const backend = await GrpcBackend.start();
  const gateway = await TestGateway.start(configFor(`port: ${backend.port}`), { server: "h2c: true" });
  return { backend, gateway, client: new GrpcClient(gateway.port) };
}

async function secureWay(): Promise<Way> {
  const { ca, server } = certificates;
  const pair = { cert_chain: Buffer.from(server.cert), private_key: Buffer.from(server.key) };
  const backend = await GrpcBackend.start(ServerCredentials.createSsl(null, [pair]));
  const tls = `scheme: https, tls: { ca_file: "${ca.certFile}" }`;
  const gateway = await TestGateway.start(
    `${configFor(`port: ${backend.port}, ${tls}`)}ssl: { enabled: true, cert_file: "${server.certFile}", key_file: "${server.keyFile}" }\n`,
  );
  return {
    backend,
    gateway,
    client: new GrpcClient(gateway.port, ChannelCredentials.createSsl(Buffer.from(ca.cert)), NAMED),
  };
}

for (const [name, way] of [
  ["in the clear (h2c)", plainWay],
  ["over TLS (h2)", secureWay],
] as const) {
  describe(`gRPC ${name}`, { timeout: 60_000 }, () => {
    let backend: GrpcBackend;
    let gateway: TestGateway;
    let client: GrpcClient;
    before(async () => {
      ({ backend, gateway, client } = await way());
    });
    after(async () => {
      client.close();
      backend.stop();
      await gateway.stop("SIGKILL");
    });
    afterEach(() => {
      backend.handlers = ECHO;
    });

    it("carries a unary call, with metadata both ways", async () => {
      const sent = new Metadata();
      sent.set("x-text", "text");
      sent.set("x-bytes-bin", Buffer.from([0, 1, 254, 255]));
      let got = new Metadata();
      backend.handlers = {
        ...ECHO,
        unary: (call, callback) => {
          got = call.metadata;
          const head = new Metadata();
          head.set("x-head-bin", Buffer.from([0, 255]));
          call.sendMetadata(head);
          const trailers = new Metadata();
          trailers.set("x-trailer", "behind");
          trailers.set("x-trailer-bin", Buffer.from([255, 0]));
          callback(null, call.request, trailers);
        },
      };
      const { response, code, metadata, trailers } = await client.unary("hello", sent);
      assert.equal(response?.toString(), "hello");
      assert.equal(code, Status.OK);
      assert.deepEqual(got.get("x-text"), ["text"]);
      assert.deepEqual(got.get("x-bytes-bin"), [Buffer.from([0, 1, 254, 255])]);
      assert.deepEqual(metadata.get("x-head-bin"), [Buffer.from([0, 255])]);
      assert.deepEqual(trailers.get("x-trailer"), ["behind"]);
      assert.deepEqual(trailers.get("x-trailer-bin"), [Buffer.from([255, 0])]);
    });

    it("carries an empty message", async () => {
      const { response, code } = await client.unary("");
      assert.deepEqual([response?.length, code], [0, Status.OK]);
    });

    it("carries a status without a message: trailers only", async () => {
      backend.handlers = {
        ...ECHO,
        unary: (_call, callback) => callback({ code: Status.NOT_FOUND, details: "no such thing: ü%" }),
      };
      const { code, details, response } = await client.unary("x");
      assert.deepEqual([code, details, response], [Status.NOT_FOUND, "no such thing: ü%", null]);
    });

    it("carries the status of a method that is not there", async () => {
      const call = client.client.makeUnaryRequest(
        "/test.Echo/None",
        (x: Buffer) => x,
        (x) => x,
        Buffer.from(""),
        () => {},
      );
      const ended = await endOf(call);
      assert.equal(ended.code, Status.UNIMPLEMENTED);
    });

    it("carries a stream of requests", async () => {
      const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
      const call = client.gather((_error, response) => resolve(response));
      for (const piece of ["a", "b", "c"]) call.write(Buffer.from(piece));
      call.end();
      assert.equal((await promise)?.toString(), "abc");
    });

    it("carries a stream of responses, each as it comes", async () => {
      backend.handlers = {
        ...ECHO,
        spread: (call) => {
          call.write(Buffer.from("one"));
          // The second comes when the first has arrived.
          proceed = () => {
            call.write(Buffer.from("two"));
            call.end();
          };
        },
      };
      let proceed = () => {};
      const call = client.spread(Buffer.from("x"));
      const messages: string[] = [];
      call.on("data", (message: Buffer) => {
        messages.push(message.toString());
        if (messages.length === 1) proceed();
      });
      const ended = await endOf(call);
      assert.deepEqual([messages, ended.code], [["one", "two"], Status.OK]);
    });

    it("carries a status behind half of a stream", async () => {
      backend.handlers = {
        ...ECHO,
        spread: (call) => {
          call.write(Buffer.from("one"));
          call.emit("error", { code: Status.DATA_LOSS, details: "gone" });
        },
      };
      const call = client.spread(Buffer.from("x"));
      call.on("data", () => {});
      const ended = await endOf(call);
      assert.deepEqual([ended.code, ended.details], [Status.DATA_LOSS, "gone"]);
    });

    it("carries both streams at once, message by message", async () => {
      const call = client.chat();
      for (let i = 0; i < 20; i++) {
        call.write(Buffer.from(`ping ${i}`));
        const [message] = await once(call, "data");
        assert.equal(message.toString(), `ping ${i}`);
      }
      call.end();
      const ended = await endOf(call);
      assert.equal(ended.code, Status.OK);
    });

    it("lets the backend speak first, and on when the client has ended its side", async () => {
      backend.handlers = {
        ...ECHO,
        chat: (call) => {
          call.write(Buffer.from("first"));
          call.on("data", () => {});
          call.on("end", () => {
            call.write(Buffer.from("behind"));
            call.end();
          });
        },
      };
      const call = client.chat();
      const messages: string[] = [];
      call.on("data", (message: Buffer) => {
        messages.push(message.toString());
        if (messages.length === 1) call.end();
      });
      const ended = await endOf(call);
      assert.deepEqual([messages, ended.code], [["first", "behind"], Status.OK]);
    });

    it("carries messages of megabytes both ways at once", async () => {
      const message = Buffer.alloc(3_500_000, "0123456789");
      const answers = await Promise.all(Array.from({ length: 4 }, () => client.unary(message)));
      for (const { response, code } of answers) {
        assert.equal(code, Status.OK);
        assert.ok(response?.equals(message));
      }
    });

    it("carries a stream at the pace of who reads it", async () => {
      const message = Buffer.alloc(100_000, "x");
      let written = 0;
      let isHeld = false;
      const held = new Promise<void>((resolve) => {
        backend.handlers = {
          ...ECHO,
          spread: (call) => {
            const write = () => {
              while (written < 200 && call.write(message)) written++;
              if (written < 200) {
                written++;
                if (written > 20 && !isHeld) {
                  isHeld = true;
                  resolve();
                }
                call.once("drain", write);
              } else call.end();
            };
            write();
          },
        };
      });
      const call = client.spread(Buffer.from("x"));
      call.pause();
      let bytes = 0;
      call.on("data", (own: Buffer) => {
        bytes += own.length;
      });
      call.pause();
      await Promise.race([held, once(call, "metadata")]);
      call.resume();
      const ended = await endOf(call);
      assert.deepEqual([bytes, ended.code], [20_000_000, Status.OK]);
    });

    it("tells the backend of a deadline, which is kept", async () => {
      let left = 0;
      backend.handlers = {
        ...ECHO,
        unary: (call) => {
          left = Number(call.getDeadline()) - Date.now();
        },
      };
      const { code } = await client.unary("x", new Metadata(), { deadline: Date.now() + 1000 });
      assert.equal(code, Status.DEADLINE_EXCEEDED);
      assert.ok(left > 0 && left <= 1000, `${left}`);
    });

    it("tells the backend that a client has cancelled", async () => {
      const cancelled = new Promise<void>((resolve) => {
        backend.handlers = {
          ...ECHO,
          chat: (call) => {
            call.on("cancelled", () => resolve());
            call.on("error", () => {});
            call.write(Buffer.from("some"));
          },
        };
      });
      const call = client.chat();
      call.on("error", () => {});
      await once(call, "data");
      call.cancel();
      const ended = await endOf(call);
      assert.equal(ended.code, Status.CANCELLED);
      await cancelled;
    });

    it("carries many calls at once on few connections", async () => {
      const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => client.unary(`${i}`)));
      answers.forEach(({ response, code }, i) => {
        assert.deepEqual([response?.toString(), code], [`${i}`, Status.OK]);
      });
    });
  });
}

describe("gRPC where something fails", { timeout: 60_000 }, () => {
  async function wayTo(
    t: TestContext,
    config: string,
  ): Promise<{ gateway: TestGateway; client: GrpcClient }> {
    const gateway = await TestGateway.start(config, { server: "h2c: true" });
    t.after(() => gateway.stop("SIGKILL"));
    const client = new GrpcClient(gateway.port);
    t.after(() => client.close());
    return { gateway, client };
  }

  it("is UNAVAILABLE where no backend is there", async (t) => {
    const { client } = await wayTo(t, configFor("port: 1"));
    assert.equal((await client.unary("x")).code, Status.UNAVAILABLE);
  });

  it("is UNIMPLEMENTED where there is no route", async (t) => {
    const { client } = await wayTo(t, "routing: {}");
    assert.equal((await client.unary("x")).code, Status.UNIMPLEMENTED);
  });

  it("is UNAVAILABLE where the backend does not answer within timeouts.response", async (t) => {
    const backend = await GrpcBackend.start();
    t.after(() => backend.stop());
    backend.handlers = { ...ECHO, unary: () => {} };
    const { client } = await wayTo(t, configFor(`port: ${backend.port}`, "timeouts: { response: 300ms }"));
    assert.equal((await client.unary("x")).code, Status.UNAVAILABLE);
  });

  it("fails a stream that is silent for longer than timeouts.idle, and no other", async (t) => {
    const backend = await GrpcBackend.start();
    t.after(() => backend.stop());
    backend.handlers = { ...ECHO, spread: (call) => call.write(Buffer.from("some")) };
    const { gateway, client } = await wayTo(
      t,
      configFor(`port: ${backend.port}`, "timeouts: { idle: 300ms }"),
    );
    const call = client.spread(Buffer.from("x"));
    call.on("data", () => {});
    const ended = await endOf(call);
    assert.notEqual(ended.code, Status.OK);
    await gateway.logged(({ code }) => code === "response_stalled");
  });

  it("goes on at another backend where one ends, and nobody hears of it", async (t) => {
    const backends = [await GrpcBackend.start(), await GrpcBackend.start()];
    t.after(() => {
      for (const backend of backends) backend.stop();
    });
    const entries = backends.map(({ port }) => `{ host: 127.0.0.1, port: ${port}, protocol: h2 }`);
    const config = `backends: { grpc: [${entries.join(", ")}] }\nrouting: { all: { upstream: grpc } }\n`;
    const { client } = await wayTo(t, config);
    let done = false;
    const calls = (async () => {
      let count = 0;
      while (!done) {
        const answers = await Promise.all(Array.from({ length: 10 }, () => client.unary("x")));
        for (const { code, details } of answers) assert.equal(code, Status.OK, details);
        count += answers.length;
      }
      return count;
    })();
    while ((await client.unary("x")).code !== Status.OK);
    await backends[0]!.drain();
    for (let i = 0; i < 20; i++) assert.equal((await client.unary("x")).code, Status.OK);
    done = true;
    assert.ok((await calls) > 0);
  });
});
