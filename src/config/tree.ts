// The values of a YAML document as a tree that knows the place of each. Resolves aliases, merge keys and environment
// variables. Runs anywhere.

import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Scalar,
  type YAMLMap,
} from "yaml";
import { type Environment, substitute } from "./environment.ts";
import { type PathSegment, quote } from "./problem.ts";

/** One value. A scalar that is reached through an alias stands where the alias is, anything else where it is written. */
export interface SourceNode {
  readonly path: readonly PathSegment[];
  readonly offset: number;
  /** Of the key in front of it; the same as `offset` in a list. */
  readonly keyOffset: number;
  /** Plain data; mappings are objects without a prototype. */
  readonly value: unknown;
  /** By key, in the order of the file, or by index; empty for a scalar. */
  readonly children: ReadonlyMap<PathSegment, SourceNode>;
  /** Already reported: `value` is not what the file means. */
  readonly broken: boolean;
}

/** What the values of a file are read with. */
export interface Reading {
  readonly environment: Environment;
  /** Whether the setting at the path takes the value. It decides whether `80` from a variable is a number or text. */
  accepts(path: readonly PathSegment[], value: unknown): boolean;
}

export type Report = (offset: number, path: readonly PathSegment[], message: string) => void;

/** A section whose keys are all commented out is an empty one, and so is the whole file. */
export function readTree(document: Document.Parsed, reading: Reading, report: Report): SourceNode {
  try {
    const root = new TreeReader(document, reading, report).read(document.contents, {
      path: [],
      keyOffset: 0,
    });
    if (root.value === null && !root.broken) return mapping(root, new Map());
    if (!isMap(document.contents)) return root;
    const sections = [...root.children].map(([key, section]): [PathSegment, SourceNode] => {
      return [key, section.value === null && !section.broken ? mapping(section, new Map()) : section];
    });
    return mapping(root, new Map(sections));
  } catch (error) {
    if (!(error instanceof TooManyValues)) throw error;
    report(0, [], `expected aliases to stand for at most ${MAX_ALIASED_VALUES} values`);
    return { ...mapping({ path: [], offset: 0, keyOffset: 0 }, new Map()), broken: true };
  }
}

/** The node at the path, or the nearest one above it that the file has. */
export function nodeAt(root: SourceNode, path: readonly PropertyKey[]): SourceNode {
  let node = root;
  for (const segment of path) {
    const child = node.children.get(segment as PathSegment);
    if (child === undefined) return node;
    node = child;
  }
  return node;
}

/** Keeps a few aliases of aliases from growing into gigabytes. */
const MAX_ALIASED_VALUES = 100_000;
class TooManyValues extends Error {}

interface Position {
  readonly path: readonly PathSegment[];
  readonly keyOffset: number;
}

interface Entry {
  readonly key: Scalar;
  readonly value: Node | null;
}

class TreeReader {
  readonly #document: Document.Parsed;
  readonly #reading: Reading;
  readonly #report: Report;
  /** The collections on the way down to the node being read: an alias to one of them would never end. */
  readonly #open = new Set<Node>();
  #aliasDepth = 0;
  #aliasedValues = 0;

  constructor(document: Document.Parsed, reading: Reading, report: Report) {
    this.#document = document;
    this.#reading = reading;
    this.#report = report;
  }

  /** A value that is not written stands at the end of its key. */
  read(node: Node | null, { path, keyOffset }: Position, fallbackOffset = keyOffset): SourceNode {
    if (this.#aliasDepth > 0) this.#countAliased();
    const place: Place = { path, keyOffset, offset: node?.range?.[0] ?? fallbackOffset };
    if (node === null) return scalar(place, null);
    if (isAlias(node)) return this.#readAlias(node, place);
    if (isScalar(node)) return this.#readScalar(node, place);
    this.#open.add(node);
    const children = new Map<PathSegment, SourceNode>();
    if (isSeq(node)) {
      for (const [index, item] of (node.items as Node[]).entries()) {
        children.set(index, this.read(item, { path: [...path, index], keyOffset: startOf(item) }));
      }
    } else {
      for (const [name, { key, value }] of this.#entries(node, path)) {
        const position = { path: [...path, name], keyOffset: startOf(key) };
        children.set(name, this.read(value, position, key.range?.[1]));
      }
    }
    this.#open.delete(node);
    return isSeq(node) ? list(place, children) : mapping(place, children);
  }

  #readAlias(alias: Alias, place: Place): SourceNode {
    const target = this.#resolve(alias, place.path);
    if (target === null) return { ...scalar(place, null), broken: true };
    this.#aliasDepth++;
    const node = this.read(target, place);
    this.#aliasDepth--;
    return isScalar(target) ? { ...node, offset: place.offset } : node;
  }

  #readScalar(node: Scalar, place: Place): SourceNode {
    if (typeof node.value !== "string" || !node.value.includes("${")) return scalar(place, node.value);
    const { text, problems } = substitute(node.value, this.#reading.environment);
    for (const problem of problems) this.#report(place.offset, place.path, problem);
    return { ...scalar(place, this.#typed(text, node, place.path)), broken: problems.length > 0 };
  }

  /** The text of a variable becomes what the setting takes. Where it takes text and something else, quotes say text. */
  #typed(text: string, node: Scalar, path: readonly PathSegment[]): unknown {
    if (node.tag !== undefined) return text;
    const plain = this.#plainValue(text);
    const readings = node.type === "PLAIN" ? [plain, text] : [text, plain];
    return readings.find((value) => this.#reading.accepts(path, value)) ?? readings[0];
  }

  /** What YAML makes of a plain scalar with this text: `8080` is a number, but `a: b` stays text. */
  #plainValue(text: string): unknown {
    for (const tag of this.#document.schema.tags) {
      if (tag.collection || tag.default !== true || tag.test?.test(text) !== true) continue;
      const value = tag.resolve(text, () => undefined, {});
      return isScalar(value) ? value.value : value;
    }
    return text;
  }

  /** The entries of a mapping: its own in their order, then those that `<<` merges in. */
  #entries(map: YAMLMap, path: readonly PathSegment[]): Map<string, Entry> {
    const entries = new Map<string, Entry>();
    const merged: Entry[] = [];
    for (const { key, value } of map.items as Array<{ key: Node; value: Node | null }>) {
      const name = isScalar(key) ? keyName(key) : null;
      if (isScalar(key) && name === "<<" && key.type === "PLAIN") {
        merged.push(...this.#mergedEntries(value, startOf(key), path));
      } else if (!isScalar(key) || name === null || name === "" || name === "__proto__") {
        const shown = name === null ? "this" : quote(name);
        this.#report(startOf(key), path, `cannot use ${shown} as a key: expected a name`);
      } else if (entries.has(name)) {
        const message = `duplicate key ${quote(name)}: expected each key once`;
        this.#report(startOf(key), [...path, name], message);
      } else {
        entries.set(name, { key, value });
      }
    }
    for (const entry of merged) {
      if (!entries.has(keyName(entry.key))) entries.set(keyName(entry.key), entry);
    }
    return entries;
  }

  #mergedEntries(value: Node | null, keyOffset: number, path: readonly PathSegment[]): Entry[] {
    const target = isAlias(value) ? this.#resolve(value, path) : value;
    const sources = isSeq(target) ? (target.items as Node[]) : [target];
    return sources.flatMap((source) => {
      const map = isAlias(source) ? this.#resolve(source, path) : source;
      if (isMap(map)) {
        this.#open.add(map);
        const entries = [...this.#entries(map, path).values()];
        this.#open.delete(map);
        return entries;
      }
      const isReported = map === null && (isAlias(source) || isAlias(value));
      if (!isReported)
        this.#report(keyOffset, path, "cannot merge this: expected a mapping or a list of mappings");
      return [];
    });
  }

  /** What the alias stands for, or null when that was reported to be nothing. */
  #resolve(alias: Alias, path: readonly PathSegment[]): Node | null {
    this.#countAliased();
    const { source } = alias;
    const target = alias.resolve(this.#document) ?? null;
    if (target !== null && !this.#open.has(target)) return target;
    const message =
      target === null ? `there is no anchor &${source} before *${source}` : `*${source} contains itself`;
    this.#report(startOf(alias), path, message);
    return null;
  }

  #countAliased(): void {
    if (++this.#aliasedValues > MAX_ALIASED_VALUES) throw new TooManyValues();
  }
}

type Place = Pick<SourceNode, "path" | "offset" | "keyOffset">;
type Children = ReadonlyMap<PathSegment, SourceNode>;

function scalar({ path, offset, keyOffset }: Place, value: unknown): SourceNode {
  return { path, offset, keyOffset, value, children: new Map(), broken: false };
}

function list({ path, offset, keyOffset }: Place, children: Children): SourceNode {
  const value = [...children.values()].map((child) => child.value);
  return { path, offset, keyOffset, value, children, broken: false };
}

function mapping({ path, offset, keyOffset }: Place, children: Children): SourceNode {
  const value: Record<string, unknown> = Object.create(null);
  for (const [key, child] of children) value[key] = child.value;
  return { path, offset, keyOffset, value, children, broken: false };
}

/** Names are text, as they were written: `10` and `0x10` are two names. */
function keyName(key: Scalar): string {
  return typeof key.value === "string" ? key.value : (key.source ?? "");
}

function startOf(node: Node): number {
  return node.range?.[0] ?? 0;
}
