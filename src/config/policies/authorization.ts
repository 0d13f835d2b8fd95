// Two policies that read the same field: nobody can send both a password and a token in Authorization. Runs anywhere.

import { atKey, type Findings } from "../finding.ts";
import { entriesOf } from "../settings.ts";
import type { SourceNode } from "../tree.ts";

type Policies = SourceNode["children"] | undefined;

/** Of the file and of every route, with those of the file that it has not replaced. */
export function* authorizationProblems(root: SourceNode): Findings {
  const ofFile = root.children.get("policies")?.children;
  yield* problemOf(ofFile, undefined);
  for (const [, route] of entriesOf(root.children.get("routing"))) {
    const own = route.children.get("policies")?.children;
    if (own?.has("jwt") || own?.has("basic_auth")) yield* problemOf(own, ofFile);
  }
}

function* problemOf(own: Policies, inherited: Policies): Findings {
  const jwt = own?.get("jwt") ?? inherited?.get("jwt");
  const basic = own?.get("basic_auth") ?? inherited?.get("basic_auth");
  if (jwt === undefined || basic === undefined || isOff(jwt) || isOff(basic) || !readsAuthorization(jwt))
    return;
  const isJwt = own?.has("jwt") === true;
  const [here, there] = isJwt ? ["jwt", "basic_auth"] : ["basic_auth", "jwt"];
  const message = `cannot use "${here}" beside "${there}": both read the field Authorization`;
  yield atKey(isJwt ? jwt : basic, `${message}: expected another place in "from" of "jwt"`);
}

function isOff(policy: SourceNode): boolean {
  return policy.children.get("enabled")?.value === false;
}

function readsAuthorization(jwt: SourceNode): boolean {
  const from = jwt.children.get("from")?.value ?? "header";
  return Array.isArray(from) ? from.every((place) => place === "header") : from === "header";
}
