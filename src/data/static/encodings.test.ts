// Which of the compressed neighbours of a file a client gets. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { StaticEncoding } from "../../config/snapshot.ts";
import { chooseEncoding } from "./encodings.ts";

const CASES: ReadonlyArray<readonly [accepted: string, available: string, chosen: string]> = [
  ["gzip, deflate, br, zstd", "br zstd gzip", "br"],
  ["gzip, deflate, br, zstd", "zstd gzip", "zstd"],
  ["gzip, deflate", "br zstd gzip", "gzip"],
  ["GZIP", "gzip", "gzip"],
  ["x-gzip", "gzip", "gzip"],
  ["deflate", "br zstd gzip", ""],
  ["", "br zstd gzip", ""],
  ["gzip;q=1.0, br;q=0.5", "br gzip", "gzip"],
  ["gzip;q=0.5, br;q=0.51", "br gzip", "br"],
  ["gzip;q=0.5,br;q=0.5", "gzip br", "gzip"],
  ["br;q=0, gzip", "br gzip", "gzip"],
  ["br;q=0", "br", ""],
  ["br;q=0.000", "br", ""],
  ["br; q=0.3", "br", "br"],
  ["*", "zstd br", "zstd"],
  ["*;q=0.5, gzip", "br gzip", "gzip"],
  ["*, br;q=0", "br gzip", "gzip"],
  ["*;q=0", "br gzip", ""],
  ["gzip;q=0.5, identity", "gzip", ""],
  ["gzip, identity;q=0.5", "gzip", "gzip"],
  ["gzip, identity", "gzip", "gzip"],
  ["identity;q=0, *;q=0", "gzip", ""],
  ["identity", "br", ""],
  ["br;q=2", "br", ""],
  ["br;q=0.1234", "br", ""],
  ["br;level=1", "br", ""],
  ["b r", "br", ""],
];

describe("chooseEncoding", () => {
  for (const [accepted, available, chosen] of CASES) {
    it(`takes ${chosen || "none"} of ${available} for ${JSON.stringify(accepted)}`, () => {
      const encodings = available.split(" ") as StaticEncoding[];
      assert.equal(encodings[chooseEncoding(accepted, encodings)] ?? "", chosen);
    });
  }

  it("chooses the same again, however many others ask", () => {
    for (let i = 0; i < 200; i++) {
      assert.equal(chooseEncoding(`gzip;q=0.${i}, br`, ["gzip", "br"]), 1);
      assert.equal(chooseEncoding("gzip", ["br", "gzip"]), 1);
      assert.equal(chooseEncoding("gzip", ["br"]), -1);
    }
  });
});
