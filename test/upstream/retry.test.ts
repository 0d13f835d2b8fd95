// A backend that closed an idle connection in the moment in which a request was sent on it. Real gateway process.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { proxyTo, TestGateway } from "../support/gateway.ts";
import { RawBackend, RawConnection } from "../support/raw.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** What a connection of the backend does with each of its requests. */
type Deed = "answer" | "close" | "reset" | "half a head" | "interim, close";

interface Case {
  readonly request: string;
  readonly deeds: ReadonlyArray<readonly Deed[]>;
  readonly status: number;
}

const head = (method: string, more = "") => `${method} / HTTP/1.1\r\nHost: test\r\n${more}\r\n`;

const CASES: Readonly<Record<string, Case>> = {
  "a GET is sent again on a new connection": {
    request: head("GET"),
    deeds: [["answer", "close"], ["answer"]],
    status: 200,
  },
  "a GET is sent again after a reset": {
    request: head("GET"),
    deeds: [["answer", "reset"], ["answer"]],
    status: 200,
  },
  "a DELETE without a body is sent again": {
    request: head("DELETE"),
    deeds: [["answer", "close"], ["answer"]],
    status: 200,
  },
  "a PUT with an empty body is sent again": {
    request: head("PUT", "Content-Length: 0\r\n"),
    deeds: [["answer", "close"], ["answer"]],
    status: 200,
  },
  "a GET is not sent a third time": {
    request: head("GET"),
    deeds: [["answer", "close"], ["close"]],
    status: 502,
  },
  "a POST is not sent again": { request: head("POST"), deeds: [["answer", "close"]], status: 502 },
  "a PUT with a body is sent again, whole": {
    request: `${head("PUT", "Content-Length: 4\r\n")}body`,
    deeds: [["answer", "close"], ["answer"]],
    status: 200,
  },
  "a PUT with a body that is too long to be kept is not sent again": {
    request: `${head("PUT", "Content-Length: 11\r\n")}longer body`,
    deeds: [["answer", "close"]],
    status: 502,
  },
  "a GET that a new connection lost is not sent again": {
    request: head("GET"),
    deeds: [["close"]],
    status: 502,
  },
  "a GET that got a part of a response is not sent again": {
    request: head("GET"),
    deeds: [["answer", "half a head"]],
    status: 502,
  },
  "a GET that got an interim response is not sent again": {
    request: head("GET"),
    deeds: [["answer", "interim, close"]],
    status: 502,
  },
};

/** The cases follow each other within seconds: more repetitions than requests of theirs would allow. */
const BUDGET = "upstreams: { origin: { retry_budget: { least: 100 } } }";

describe("a request that a connection lost", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await TestGateway.start("routing: {}");
  });
  after(() => gateway.stop("SIGKILL"));

  for (const [what, { request, deeds, status }] of Object.entries(CASES)) {
    it(what, async (t) => {
      const backend = await RawBackend.start((connection, index) => {
        let done = 0;
        connection.socket.on("data", () => {
          const heads = connection.text.split("\r\n\r\n").length - 1;
          for (; done < heads; done++) perform(connection, deeds[index]![done]!);
        });
      });
      t.after(() => backend.stop());
      await gateway.adopt(`${proxyTo(backend.port, "retry: { body: 10b }")}${BUDGET}`);
      const client = await RawConnection.connect(gateway.port);
      t.after(() => client.destroy());
      const requests = deeds[0]!.length;
      for (let i = 0; i < requests; i++) {
        client.take();
        client.write(i + 1 < requests ? head("GET") : request);
        await client.until(/ok$|\}\}\n$/);
      }
      assert.match(client.text, new RegExp(`HTTP/1\\.1 ${status} `));
      const seen = backend.connections.map(({ text }) => text.split("\r\n\r\n").length - 1);
      const expected = deeds.map((own) => own.length);
      assert.deepEqual(seen, expected);
    });
  }
});

function perform(connection: RawConnection, deed: Deed): void {
  switch (deed) {
    case "answer":
      connection.write(OK);
      break;
    case "close":
      connection.socket.end();
      break;
    case "reset":
      connection.socket.resetAndDestroy();
      break;
    case "half a head":
      connection.socket.end("HTTP/1.1 200 O");
      break;
    case "interim, close":
      connection.socket.end("HTTP/1.1 103 Early Hints\r\n\r\n");
  }
}
