// Guards of the way through policies, and of the policy `headers`.

import type { Mutation } from "./mutation.ts";

const WAY = ["src/data/pipeline.test.ts"];
const HEADERS = ["test/policies/headers.test.ts"];

const pipeline = "src/data/pipeline.ts";
const headers = "src/data/policies/headers.ts";

export const POLICY_MUTATIONS: readonly Mutation[] = [
  {
    name: "a policy that answers ends the way",
    file: pipeline,
    find: "if (policy.enter(exchange, this) !== Step.goOn) return;",
    replace: "policy.enter(exchange, this);",
    tests: WAY,
  },
  {
    name: "an exchange that is over goes no further",
    file: pipeline,
    find: "if (exchange.finished) return;\n    try {",
    replace: "try {",
    tests: WAY,
  },
  {
    name: "a policy that has waited is no longer the action",
    file: pipeline,
    find: "exchange.action = null;\n      while",
    replace: "while",
    tests: WAY,
  },
  {
    name: "a field that is set has no other value",
    file: headers,
    find: "for (let i = 0; i < set.length; i++) headers.removeNamed(set[i]!.lowerName);",
    replace: "",
    tests: HEADERS,
  },
  {
    name: "a field that is removed is gone",
    file: headers,
    find: "for (let i = 0; i < remove.length; i++) headers.removeNamed(remove[i]!);",
    replace: "",
    tests: HEADERS,
  },
  {
    name: "a field with an empty value is not sent",
    file: headers,
    find: 'if (texts[i] !== "") headers.add(',
    replace: "headers.add(",
    tests: HEADERS,
  },
  {
    name: "the gateway's own responses are each a copy",
    file: "src/data/actions/respond.ts",
    find: "headers: headers.copy()",
    replace: "headers",
    tests: HEADERS,
  },
];
