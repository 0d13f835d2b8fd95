// Guards of the policies that bound and shape traffic.

import type { Mutation } from "./mutation.ts";

const BODY_LIMIT = ["test/policies/body-limit.test.ts"];

export const TRAFFIC_MUTATIONS: readonly Mutation[] = [
  {
    name: "a body that is declared too long is refused",
    file: "src/data/pipeline.ts",
    find: "if (maxBodyBytes !== null && request.bodyLength > maxBodyBytes) {",
    replace: "if (maxBodyBytes !== null && request.bodyLength > maxBodyBytes + 1e9) {",
    tests: BODY_LIMIT,
  },
  {
    name: "a body that turns out to be too long is refused",
    file: "src/data/http1/server.ts",
    find: "if (exchange.maxBodyBytes !== null && exchange.bytesIn > exchange.maxBodyBytes) {",
    replace: "if (exchange.maxBodyBytes === -1) {",
    tests: BODY_LIMIT,
  },
  {
    name: "body_limit of a route counts before that of the file",
    file: "src/config/policies/body-limit.ts",
    find: "if (route.policy?.enabled === true) return route.policy.size;",
    replace: "",
    tests: ["src/config/policies/body-limit.test.ts"],
  },
];
