// examples/grpc, run as it is.

import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { after, before, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { TestGateway } from "../support/gateway.ts";

const ECHO = fileURLToPath(new URL("../../examples/grpc/echo.js", import.meta.url));
const run = promisify(execFile);

let server: ChildProcess;
let gateway: TestGateway;
before(async () => {
  server = spawn(process.execPath, [ECHO, "serve", "0"], { stdio: ["ignore", "pipe", "inherit"] });
  let port = "";
  for await (const line of createInterface({ input: server.stdout! })) {
    port = line.split(":").at(-1)!;
    break;
  }
  gateway = await TestGateway.startExample("grpc", { BACKEND_PORT: port });
});
after(async () => {
  server.kill("SIGKILL");
  await gateway.stop("SIGKILL");
});

it("carries a call", async () => {
  const { stdout } = await run(process.execPath, [ECHO, "call", `127.0.0.1:${gateway.port}`, "hello"]);
  assert.equal(stdout, "hello\n");
});

it("carries a stream both ways", async () => {
  const { stdout } = await run(process.execPath, [ECHO, "chat", `127.0.0.1:${gateway.port}`, "one", "two"]);
  assert.equal(stdout, "one\ntwo\n");
});
