// The way through policies that wait, answer or have a bug. Runs in the test process.

import assert from "node:assert/strict";
import { it } from "node:test";
import { GatewayError } from "../core/errors.ts";
import { type ClientStream, Exchange, type RequestHead, type ResponseHead } from "../core/exchange.ts";
import { HeaderList } from "../core/headers.ts";
import type { Route } from "./actions/route.ts";
import { PolicyRun } from "./pipeline.ts";
import { type Policy, Step } from "./policies/policy.ts";

class Seen {
  readonly heads: ResponseHead[] = [];
  readonly steps: string[] = [];
  readonly exchange: Exchange;

  constructor() {
    const request = { method: "GET", headers: new HeaderList() } as RequestHead;
    const client = { tls: null, sendHead: (head: ResponseHead) => this.heads.push(head) > 0 };
    this.exchange = new Exchange(request, client as unknown as ClientStream, "192.0.2.1", 0);
  }

  policy(name: string, step: Step): Policy {
    return {
      enter: () => {
        this.steps.push(name);
        return step;
      },
    };
  }

  run(...policies: Policy[]): PolicyRun {
    const route = { start: () => this.steps.push("action") } as unknown as Route;
    return new PolicyRun(this.exchange, route, policies);
  }
}

it("an exchange passes every policy and then its action", () => {
  const seen = new Seen();
  seen.run(seen.policy("a", Step.goOn), seen.policy("b", Step.goOn)).goOn();
  assert.deepEqual(seen.steps, ["a", "b", "action"]);
});

it("its way ends at a policy that answers", () => {
  const seen = new Seen();
  seen.run(seen.policy("a", Step.goOn), seen.policy("b", Step.answered), seen.policy("c", Step.goOn)).goOn();
  assert.deepEqual(seen.steps, ["a", "b"]);
});

it("it goes on behind a policy that has waited", () => {
  const seen = new Seen();
  const run = seen.run(seen.policy("a", Step.waits), seen.policy("b", Step.goOn));
  run.goOn();
  assert.deepEqual(seen.steps, ["a"]);
  seen.exchange.action = { onAborted: () => {} } as unknown as Exchange["action"];
  run.goOn();
  assert.deepEqual(seen.steps, ["a", "b", "action"]);
  assert.equal(seen.exchange.action, null);
});

it("it goes nowhere when it was over before", () => {
  const seen = new Seen();
  const run = seen.run(seen.policy("a", Step.waits));
  run.goOn();
  seen.exchange.finished = true;
  run.goOn();
  assert.deepEqual(seen.steps, ["a"]);
});

it("a bug in a policy is an error of the gateway, not the end of the thread", () => {
  const seen = new Seen();
  const bug = new Error("bug");
  const broken: Policy = {
    enter: () => {
      throw bug;
    },
  };
  seen.run(broken, seen.policy("b", Step.goOn)).goOn();
  assert.deepEqual(seen.steps, []);
  assert.deepEqual(
    seen.heads.map(({ status }) => status),
    [500],
  );
  assert.ok(seen.exchange.error instanceof GatewayError);
  assert.equal(seen.exchange.error.cause, bug);
});
