// The Dockerfile, what it takes along, and the compose file, as far as they can be checked without Docker. Runs in the
// test process; test/package/image.test.ts runs the steps.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { loadConfig } from "../../src/config/load.ts";
import { readDockerfile, textsOf } from "./dockerfile.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const stages = readDockerfile(join(ROOT, "Dockerfile"));
const image = stages.at(-1)!;
const kept = readFileSync(join(ROOT, ".dockerignore"), "utf8")
  .split("\n")
  .flatMap((line) => (line.startsWith("!") ? [line.slice(1)] : []));

/** Of `COPY`s from outside. */
const sources = stages
  .flatMap(({ instructions }) => instructions)
  .filter(({ name, flags }) => name === "COPY" && !flags.has("from"))
  .flatMap(({ text }) => text.split(" ").slice(0, -1));

interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly depends_on?: readonly string[];
  readonly stop_grace_period?: string;
  readonly cap_drop: readonly string[];
}

describe("the Dockerfile", () => {
  it("copies what is there, and Docker gets that and nothing else", () => {
    for (const source of sources) assert.ok(existsSync(join(ROOT, source)), source);
    const tops = new Set(sources.map((source) => source.split("/")[0]!));
    assert.deepEqual(tops, new Set(kept));
  });

  it("stands on the same Node everywhere, the one of the repository", () => {
    const version = /^(\d+)/.exec(readFileSync(join(ROOT, ".nvmrc"), "utf8"))?.[1];
    assert.deepEqual(new Set(stages.map(({ base }) => base)), new Set([`node:${version}-slim`]));
  });

  it("does not run as root, and stops by the signal that ends what is under way", () => {
    assert.deepEqual(textsOf(image, "USER"), ["node"]);
    assert.deepEqual(textsOf(image, "STOPSIGNAL"), ["SIGTERM"]);
    // As programs with arguments, not through a shell that would keep the signal to itself.
    for (const name of ["ENTRYPOINT", "CMD"]) JSON.parse(textsOf(image, name)[0]!);
  });

  it("has a configuration that listens where it says, with the admin API that its health check asks", () => {
    const result = loadConfig(join(ROOT, "packaging/docker.yaml"), {});
    assert.ok(result.ok);
    assert.deepEqual(result.warnings, []);
    const [listener] = result.snapshot.server.listeners;
    assert.equal(listener!.host, "0.0.0.0");
    assert.ok(textsOf(image, "EXPOSE")[0]!.split(" ").includes(String(listener!.port)));
    const { host, port } = result.gateway.admin!;
    assert.ok(textsOf(image, "HEALTHCHECK")[0]!.includes(`http://${host}:${port}/readyz`));
  });
});

describe("the compose file", () => {
  const { services, volumes } = parse(readFileSync(join(ROOT, "compose.yaml"), "utf8"), { merge: true }) as {
    services: Record<string, Service>;
    volumes: Record<string, unknown>;
  };
  const { gateway } = services;

  it("builds the gateway from here, and mounts what is there", () => {
    assert.equal(gateway!.build, ".");
    for (const volume of gateway!.volumes!) {
      const [from = "", to = ""] = volume.split(":");
      assert.ok(from.startsWith("./") ? existsSync(join(ROOT, from)) : Object.hasOwn(volumes, from), volume);
      const isKnown = textsOf(image, "COPY").some((text) => text.endsWith(` ${to}`));
      assert.ok(isKnown || textsOf(image, "ENV").some((text) => text.endsWith(`=${to}`)), to);
    }
  });

  it("has the backends that the configuration names, and publishes its port", () => {
    const result = loadConfig(join(ROOT, "examples/docker/sluice.yaml"), {});
    assert.ok(result.ok);
    const backends = result.snapshot.upstreams.flatMap((upstream) => upstream.backends);
    assert.deepEqual(new Set(backends.map(({ host }) => host)), new Set(gateway!.depends_on));
    for (const { host, port } of backends)
      assert.ok(JSON.stringify(services[host]).includes(`listen(${port})`), host);
    const [listener] = result.snapshot.server.listeners;
    assert.deepEqual(gateway!.ports, [`${listener!.port}:${listener!.port}`]);
    assert.ok(Number.parseInt(gateway!.stop_grace_period!, 10) * 1000 > result.gateway.shutdownTimeoutMs);
  });

  it("leaves no container a capability", () => {
    for (const [name, { cap_drop }] of Object.entries(services)) assert.deepEqual(cap_drop, ["ALL"], name);
  });
});
