// What is to be said about a value of the file: a problem or a warning that has yet to get its line. Runs anywhere.

import type { SourceNode } from "./tree.ts";

export interface Finding {
  readonly node: SourceNode;
  readonly place: "value" | "key";
  readonly message: string;
}

export type Findings = Generator<Finding, void>;

export function atValue(node: SourceNode, message: string): Finding {
  return { node, place: "value", message };
}

export function atKey(node: SourceNode, message: string): Finding {
  return { node, place: "key", message };
}
