// The policy `forward_auth`: who may come in is asked of a server of its own. Runs anywhere.

import { z } from "zod";
import { atKey, atValue, type Findings } from "../finding.ts";
import type { PemFiles } from "../pem-files.ts";
import { plainProxy } from "../plain-proxy.ts";
import { hasMisspelt, textOf } from "../settings.ts";
import type { ProxySpec } from "../snapshot.ts";
import type { SourceNode } from "../tree.ts";
import { unknownUpstream } from "../upstream-names.ts";
import { duration, fieldName, freeFieldName, oneOrMore, pathAndQuery, text, truth } from "../values.ts";

export interface ForwardAuthSpec {
  readonly proxy: ProxySpec;
  readonly path: string;
  /** With its `?`, or empty. */
  readonly query: string;
  readonly timeoutMs: number;
  /** Lower case; null for all. */
  readonly requestFields: readonly string[] | null;
  /** That a backend gets of the answer. */
  readonly responseFields: ReadonlyArray<{ readonly name: string; readonly lowerName: string }>;
}

export const forwardAuthSchema = z
  .strictObject({
    enabled: truth().prefault(true).describe("`false` turns it off and keeps the section."),
    upstream: text().optional().describe("Name of the upstream that is asked."),
    path: pathAndQuery().prefault("/").describe("Path, and maybe query, that it is asked for."),
    timeout: duration("above 0").prefault("5s").describe("Time for the whole answer. After it, 504."),
    request_headers: oneOrMore(fieldName(), "expected a field name or a list of them")
      .optional()
      .describe("Fields of the request that it gets. Without it, all; never the body."),
    response_headers: oneOrMore(freeFieldName(), "expected a field name or a list of them")
      .optional()
      .describe(
        "Fields of its answer that the backend gets. What the client sends under these names is taken out.",
      ),
  })
  .describe("Asks another server whether a request may go on (docs/policies/forward-auth.md).");

export function compileForwardAuth(config: z.output<typeof forwardAuthSchema>): ForwardAuthSpec {
  const {
    upstream,
    path: target,
    timeout: timeoutMs,
    request_headers: request,
    response_headers: response,
  } = config;
  const [path = "/"] = target.split("?", 1);
  return {
    proxy: plainProxy(upstream!, timeoutMs),
    path,
    query: target.slice(path.length),
    timeoutMs,
    requestFields: request?.map((name) => name.toLowerCase()) ?? null,
    responseFields: (response ?? []).map((name) => ({ name, lowerName: name.toLowerCase() })),
  };
}

export function* forwardAuthProblems(policy: SourceNode, _files: PemFiles, root: SourceNode): Findings {
  const { children } = policy;
  const upstream = children.get("upstream");
  if (upstream === undefined) {
    if (children.get("enabled")?.value !== false && !hasMisspelt(policy, ["upstream"]))
      yield atKey(policy, 'missing key "upstream": expected the name of an upstream in "backends"');
    return;
  }
  const name = textOf(policy, "upstream");
  const problem = name === null ? null : unknownUpstream(root, name);
  if (problem !== null) yield atValue(upstream, problem);
}
