// examples/jwt, run as it is, with a token that is made as its comment says.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, before, it } from "node:test";
import { ask } from "../http/client.ts";
import { Origin } from "../http/origin.ts";
import { signWithSecret } from "../policies/tokens.ts";
import { TestGateway } from "../support/gateway.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
const EXAMPLE = new URL("../../examples/jwt/sluice.yaml", import.meta.url);

let origin: Origin;
let gateway: TestGateway;
before(async () => {
  origin = await Origin.start();
  gateway = await TestGateway.startExample("jwt", { BACKEND_PORT: `${origin.port}`, JWT_SECRET: SECRET });
});
after(async () => {
  await gateway.stop();
  await origin.stop();
});

async function statusWith(token: string): Promise<number> {
  const text = `GET /api/x HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer ${token}\r\nX-User: root\r\n\r\n`;
  return (await ask(gateway.port, text)).answer.status;
}

it("lets in who has a token", async () => {
  const commands = readFileSync(EXAMPLE, "utf8").match(/(?<=^# +)(?:part\(\)|token=).*$/gm)!;
  assert.equal(commands.length, 3);
  const script = `${commands.join("\n")}\nprintf %s "$token"`;
  const token = execFileSync("bash", ["-c", script], { env: { ...process.env, JWT_SECRET: SECRET } });
  assert.equal(await statusWith(token.toString()), 200);
  assert.deepEqual(origin.valuesOf("x-user"), ["alice"]);
  assert.deepEqual(origin.valuesOf("authorization"), []);
});

it("lets nobody else in", async () => {
  assert.equal(await statusWith("none"), 401);
  const claims = { iss: "me", aud: "api" };
  assert.equal(await statusWith(await signWithSecret({ ...claims, scope: "read", iss: "you" }, SECRET)), 401);
  assert.equal(await statusWith(await signWithSecret(claims, SECRET)), 403);
});
