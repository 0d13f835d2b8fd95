// examples/docker, run as it is, with backends in place of the containers.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ask } from "../http/client.ts";
import { TestGateway } from "../support/gateway.ts";
import { answering, RawBackend } from "../support/raw.ts";

test("requests go to one container after the other", async (t) => {
  const backends = await Promise.all(
    ["one", "two"].map((name) =>
      RawBackend.start(answering(`HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n${name}`)),
    ),
  );
  t.after(() => Promise.all(backends.map((backend) => backend.stop())));
  const [one, two] = backends.map(({ port }) => String(port));
  const gateway = await TestGateway.startExample("docker", {
    ONE: "127.0.0.1",
    TWO: "127.0.0.1",
    ONE_PORT: one,
    TWO_PORT: two,
    ADMIN_PORT: "0",
  });
  t.after(() => gateway.stop("SIGKILL"));
  const answers = new Set<string>();
  for (let i = 0; i < 8; i++) {
    answers.add((await ask(gateway.port, "GET / HTTP/1.1\r\nHost: test\r\n\r\n")).answer.body);
  }
  assert.deepEqual(answers, new Set(["one", "two"]));
});
