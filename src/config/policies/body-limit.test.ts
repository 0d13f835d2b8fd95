// Which of the limits of a request body counts. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bodyBytesOf } from "./body-limit.ts";

const OFF = { enabled: false, size: 1 };
const of = (size: number) => ({ enabled: true, size });

const CASES = [
  [
    "of the route, before everything of the file",
    { policy: of(1), limit: undefined },
    { policy: of(2), limit: 3 },
    1,
  ],
  ["in the limits of the route", { policy: undefined, limit: 1 }, { policy: of(2), limit: 3 }, 1],
  ["of none that the route asks for", { policy: undefined, limit: 0 }, { policy: of(2), limit: 3 }, 0],
  ["of the file", { policy: undefined, limit: undefined }, { policy: of(2), limit: 0 }, 2],
  ["in the limits of the file", { policy: undefined, limit: undefined }, { policy: OFF, limit: 3 }, 3],
  ["that the route turns off", { policy: OFF, limit: undefined }, { policy: of(2), limit: 0 }, 0],
] as const;

describe("the limit of a body", () => {
  for (const [name, route, file, expected] of CASES)
    it(name, () => assert.equal(bodyBytesOf(route, file), expected));
});
