// Who may ask the admin API what: real requests on 127.0.0.1. Runs in the test process.

import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { describe, it } from "node:test";
import type { AdminSpec } from "../../src/config/compile.ts";
import { ask, Client } from "../http/client.ts";
import { valuesOf } from "../http/strict-reading.ts";
import { RawConnection } from "../support/raw.ts";
import { AUTHORIZATION, errorOf, get, post, startAdmin, TOKEN } from "./setting.ts";

const CONFIG = "backends: { shop: [{ id: one, host: 127.0.0.1, port: 1 }] }\n";
const REPORT = {
  upstream: "shop",
  backend_id: "one",
  performance: { cpu_usage: 1, memory_usage: 1, load: 1 },
};
const HAS_IPV6 = networkInterfaces()["lo"]?.some(({ family }) => family === "IPv6") ?? false;
const ALL_ADDRESSES = { host: "0.0.0.0", allowedHosts: [] };

/** What a request head is answered with; `%` in it stands for the port. */
async function outcome(port: number, head: string): Promise<string> {
  const text = `${head.replaceAll("%", String(port)).trim().replaceAll(/\n\s*/g, "\r\n")}\r\n\r\n`;
  const { answer } = await ask(port, text);
  return answer.status === 200 ? "200" : errorOf(answer);
}

describe("the Host that is asked for", () => {
  for (const [host, expected] of [
    ["127.0.0.1:%", "200"],
    ["127.0.0.1", "200"],
    ["localhost:%", "200"],
    ["localhost", "200"],
    ["LocalHost:%", "200"],
    ["admin.example:%", "200"],
    ["Admin.Example", "200"],
    ["evil.example", "421 unknown_host"],
    ["evil.example:%", "421 unknown_host"],
    // What a rebound name looks like: it leads here, but nobody allowed it.
    ["127.0.0.1.evil.example:%", "421 unknown_host"],
    ["localhost.evil.example:%", "421 unknown_host"],
    ["evillocalhost:%", "421 unknown_host"],
    ["sub.admin.example:%", "421 unknown_host"],
    ["127.0.0.2:%", "421 unknown_host"],
    ["0.0.0.0:%", "421 unknown_host"],
    ["[::1]:%", "421 unknown_host"],
    ["2130706433:%", "421 unknown_host"],
    ["127.1:%", "421 unknown_host"],
    ["localhost:1", "421 unknown_host"],
    ["localhost:", "421 unknown_host"],
    ["localhost:%:%", "421 unknown_host"],
    ["user@localhost:%", "421 unknown_host"],
    ["localhost:%/x", "421 unknown_host"],
    ["localhost, evil.example", "421 unknown_host"],
    ["", "400 bad_host"],
    ["localhost\nHost: evil.example", "400 bad_host"],
    ["localhost\nHost: localhost", "400 bad_host"],
  ] as const) {
    it(`${JSON.stringify(host)} is answered with ${expected}`, async (t) => {
      const { port } = await startAdmin(t, CONFIG);
      assert.equal(await outcome(port, `GET /healthz HTTP/1.1\nHost: ${host}`), expected);
    });
  }

  it("must be there, also with HTTP/1.0", async (t) => {
    const { port } = await startAdmin(t, CONFIG);
    for (const version of ["1.0", "1.1"])
      assert.equal(await outcome(port, `GET /healthz HTTP/${version}`), "400 bad_host");
  });

  it("is not overruled by a target with a host", async (t) => {
    const { port } = await startAdmin(t, CONFIG);
    for (const target of ["http://127.0.0.1:%/healthz", "http://evil.example/healthz", "*"])
      assert.equal(await outcome(port, `OPTIONS ${target} HTTP/1.1\nHost: localhost`), "400 bad_target");
  });

  it("is quoted, beside what was expected", async (t) => {
    const { port } = await startAdmin(t, CONFIG);
    const { answer } = await ask(port, "GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert.deepEqual(JSON.parse(answer.body), {
      error: {
        code: "unknown_host",
        message: `Cannot answer for the host "evil.example": expected localhost:${port}, the address itself, or a name of admin.allowed_hosts`,
      },
    });
  });

  it("may be an IPv6 address, in brackets", { skip: !HAS_IPV6 }, async (t) => {
    const { port } = await startAdmin(t, CONFIG, { host: "::1" });
    for (const [host, expected] of [
      [`[::1]:${port}`, "200"],
      ["[::1]", "200"],
      ["::1", "421 unknown_host"],
      ["[::2]", "421 unknown_host"],
      ["127.0.0.1", "421 unknown_host"],
    ] as const) {
      const client = new Client(await RawConnection.connect(port, "::1"));
      client.send(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      const answer = await client.answer();
      assert.equal(answer.status === 200 ? "200" : errorOf(answer), expected);
      client.close();
    }
  });

  it("may be the address of the connection where all addresses are listened on", async (t) => {
    const { port } = await startAdmin(t, CONFIG, ALL_ADDRESSES);
    for (const [host, expected] of [
      ["127.0.0.1:%", "200"],
      ["localhost:%", "200"],
      ["127.0.0.2:%", "421 unknown_host"],
      ["evil.example:%", "421 unknown_host"],
    ] as const)
      assert.equal(await outcome(port, `GET /healthz HTTP/1.1\nHost: ${host}\n${AUTHORIZATION}`), expected);
  });
});

describe("a page in a browser", () => {
  for (const [title, fields, expected] of [
    ["of the admin API itself", "Origin: http://localhost:%\nSec-Fetch-Site: same-origin", "200"],
    ["under its other name", "Origin: http://127.0.0.1:%", "200"],
    ["under an allowed name", "Origin: http://admin.example:%", "200"],
    ["typed in by its user", "Sec-Fetch-Site: none\nSec-Fetch-Mode: navigate", "200"],
    ["of another site", "Origin: http://evil.example", "403 foreign_origin"],
    ["of another site on this port", "Origin: http://evil.example:%", "403 foreign_origin"],
    ["of another port", "Origin: http://localhost:3000", "403 foreign_origin"],
    ["of the standard port", "Origin: http://localhost", "403 foreign_origin"],
    ["of another scheme", "Origin: https://localhost:%", "403 foreign_origin"],
    ["without an origin of its own", "Origin: null", "403 foreign_origin"],
    ["with an origin that is none", "Origin: localhost:%", "403 foreign_origin"],
    ["with a path behind its origin", "Origin: http://localhost:%/", "403 foreign_origin"],
    ["with a user in its origin", "Origin: http://localhost:%@evil.example", "403 foreign_origin"],
    ["with two origins", "Origin: http://localhost:%\nOrigin: http://evil.example", "403 foreign_origin"],
    ["of another site that sends no Origin", "Sec-Fetch-Site: cross-site", "403 foreign_origin"],
    ["of another port that sends no Origin", "Sec-Fetch-Site: same-site", "403 foreign_origin"],
  ] as const) {
    it(`${title} gets ${expected}`, async (t) => {
      const { port } = await startAdmin(t, CONFIG);
      assert.equal(await outcome(port, `GET /healthz HTTP/1.1\nHost: localhost:%\n${fields}`), expected);
    });
  }

  it("of another site is not asked for a token first, and gets no CORS fields", async (t) => {
    const { port } = await startAdmin(t, CONFIG, { open: true });
    const fields = `Origin: http://evil.example\r\n${AUTHORIZATION}`;
    assert.equal(errorOf(await post(port, "/api/v1/report", REPORT, fields)), "403 foreign_origin");
    const preflight = `OPTIONS /api/v1/report HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n`;
    const { answer } = await ask(port, preflight);
    assert.equal(errorOf(answer), "403 foreign_origin");
    assert.deepEqual(
      answer.fields.filter(([name]) => name.toLowerCase().startsWith("access-control")),
      [],
    );
  });
});

describe("the token", () => {
  const wrong = "401 token_wrong";
  const missing = "401 token_missing";
  const cases: ReadonlyArray<readonly [title: string, fields: string, expected: string]> = [
    ["right", AUTHORIZATION, "200"],
    ["right, with the scheme in lower case", AUTHORIZATION.replace("Bearer", "bearer"), "200"],
    ["wrong", "Authorization: Bearer another-token\r\n", wrong],
    ["too short", AUTHORIZATION.replace("operator", "operato"), wrong],
    ["too long", AUTHORIZATION.replace("operator", "operators"), wrong],
    ["in capitals", AUTHORIZATION.replace("operator", "OPERATOR"), wrong],
    ["of another scheme", AUTHORIZATION.replace("Bearer", "Basic"), missing],
    ["empty", "Authorization: Bearer \r\n", missing],
    ["not there", "", missing],
  ];
  for (const [title, fields, expected] of cases) {
    it(`for a change that is ${title} gets ${expected}`, async (t) => {
      const { port } = await startAdmin(t, CONFIG);
      const answer = await post(port, "/api/v1/report", REPORT, fields);
      assert.equal(answer.status === 200 ? "200" : errorOf(answer), expected);
      if (expected === "200") return;
      const [challenge = ""] = valuesOf(answer.fields, "www-authenticate");
      assert.match(
        challenge,
        expected === wrong ? /^Bearer .*error="invalid_token"$/ : /^Bearer realm="sluice"$/,
      );
    });

    it(`for a look from outside that is ${title} gets ${expected}`, async (t) => {
      const { port } = await startAdmin(t, CONFIG, ALL_ADDRESSES);
      for (const path of ["/metrics", "/healthz", "/api/v1/backends"]) {
        const answer = await get(port, path, fields);
        assert.equal(answer.status === 200 ? "200" : errorOf(answer), expected);
      }
    });
  }

  it("may be any text, sent as UTF-8", async (t) => {
    const token = "für nur einen Zweck ✓";
    const { port } = await startAdmin(t, CONFIG, { token });
    // The client of this test sends each character as a byte.
    const sent = Buffer.from(token).toString("latin1");
    assert.equal(
      (await post(port, "/api/v1/report", REPORT, AUTHORIZATION.replace(TOKEN, sent))).status,
      200,
    );
  });

  it("is not needed for a look on a loopback address", async (t) => {
    const { port } = await startAdmin(t, CONFIG);
    for (const path of ["/metrics", "/healthz", "/readyz", "/api/v1/backends", "/api/v1/stats/server"])
      assert.equal((await get(port, path)).status, 200);
  });

  it("is not needed for a change where the admin API is open", async (t) => {
    const { port } = await startAdmin(t, CONFIG, { open: true, closed: false, token: null });
    assert.equal((await post(port, "/api/v1/report", REPORT, "")).status, 200);
  });

  it("is asked for before anything is told of a path", async (t) => {
    const { port } = await startAdmin(t, CONFIG, ALL_ADDRESSES);
    assert.equal(errorOf(await get(port, "/nothing")), missing);
    assert.equal(errorOf(await post(port, "/metrics", {}, "")), missing);
  });
});

describe("the address", () => {
  const start = (t: Parameters<typeof startAdmin>[0], spec: Partial<AdminSpec>) =>
    startAdmin(t, CONFIG, spec);

  it("may be any of this machine's own with a token", async (t) => {
    for (const host of ["127.0.0.1", "127.8.9.10", "localhost", "0.0.0.0"])
      assert.ok((await start(t, { host })).port > 0);
  });

  it("is not opened to others without a token of the operator", async (t) => {
    await assert.rejects(start(t, { host: "0.0.0.0", token: null }), {
      message: 'Cannot listen on "0.0.0.0" without admin.token: expected one, or a loopback address',
    });
    await assert.rejects(start(t, { host: "::", token: null }), /without admin\.token/);
  });

  it("is not opened to others without any token", async (t) => {
    await assert.rejects(start(t, { host: "0.0.0.0", open: true }), {
      message: 'Cannot open the admin API on "0.0.0.0": admin.open needs a loopback address',
    });
  });

  it("says who is in the way, and what to do", async (t) => {
    const { port } = await start(t, {});
    await assert.rejects(start(t, { port }), {
      message: `Cannot listen on 127.0.0.1:${port} for the admin API: somebody else holds it. Stop them, or set another admin.port`,
    });
    await assert.rejects(start(t, { host: "192.0.2.1" }), /this machine has no such address$/);
    await assert.rejects(
      start(t, { host: "x".repeat(64) }),
      /^Error: Cannot find the address of admin\.host "x+…": E/,
    );
  });
});
