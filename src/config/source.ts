// The text of a configuration, read as YAML: its tree of values, and problems at places of the text. Runs anywhere.

import { type Document, LineCounter, parseDocument, type YAMLParseError } from "yaml";
import type { Finding } from "./finding.ts";
import { formatPath, type PathSegment, type Problem } from "./problem.ts";
import { type Reading, readTree, type SourceNode } from "./tree.ts";

export interface Source {
  /** Null when the syntax is so wrong that a tree would say nothing about the file. */
  readonly root: SourceNode | null;
  /** Of the syntax, of keys and aliases, and of the environment. */
  readonly problems: readonly Problem[];
  problemOf(finding: Finding): Problem;
}

export function parseSource(bytes: string, file: string, reading: Reading): Source {
  const text = bytes.replace(/^\uFEFF/, "");
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    resolveKnownTags: false,
  });
  const problem = (offset: number, path: readonly PathSegment[], message: string): Problem => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col), path: formatPath(path), message };
  };
  const problems = rootErrors(document).map((error) => problem(error.pos[0], [], explain(error, text)));
  const isReadable = problems.length === 0;
  for (const { pos, message } of document.warnings) problems.push(problem(pos[0], [], message));
  return {
    root: isReadable ? readTree(document, reading, (...place) => problems.push(problem(...place))) : null,
    problems,
    problemOf: ({ node, place, message }) => {
      return problem(place === "key" ? node.keyOffset : node.offset, node.path, message);
    },
  };
}

/** The errors that do not merely follow from another: after the first, any token may be unexpected. */
function rootErrors({ errors }: Document.Parsed): readonly YAMLParseError[] {
  return errors.filter((error, index) => index === 0 || error.code !== "UNEXPECTED_TOKEN");
}

function explain({ code, pos, message }: YAMLParseError, text: string): string {
  if (code === "MULTIPLE_DOCS") return "expected one document in the file";
  const isPlaceholder = text.slice(pos[0] - 1, pos[0] + 1) === "${";
  return `not valid YAML: ${isPlaceholder ? `expected quotes around \${…} inside { } and [ ]` : message}`;
}
