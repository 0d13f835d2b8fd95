// Holds every module to the folder table, and the modules together to no cycles and no barrels.
// Runs in development only (`npm run check`).

import { readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { FOLDER_RULES, type FolderRule } from "./folder-rules.ts";
import { type ImportStatement, importStatements } from "./import-statements.ts";
import { sourceFiles } from "./source-files.ts";

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** What one file may import: its folder's rule, with the packages that are installed. */
interface FileRule extends FolderRule {
  readonly packages: readonly string[];
}

type Modules = ReadonlyMap<string, readonly ImportStatement[]>;

/** One line of text for each violation in the tree at `root`: `file:line: what, expected what`. */
export function checkImports(root: string): string[] {
  const manifest: Manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const modules: Modules = new Map(
    sourceFiles(root).map((file) => [file, importStatements(readFileSync(join(root, file), "utf8"))]),
  );
  const violations: string[] = [];
  for (const [file, statements] of modules) {
    if (/\/index\.[jt]sx?$/.test(file)) {
      violations.push(`${file}:1: a barrel, expected imports of the modules themselves`);
    }
    if (file.startsWith("src/")) violations.push(...checkFolder(file, statements, manifest));
  }
  return [...violations, ...findCycles(modules)];
}

function checkFolder(file: string, statements: readonly ImportStatement[], manifest: Manifest): string[] {
  const folder = `${file.split("/", 2).join("/")}/`;
  const folderRule = FOLDER_RULES[folder];
  if (folderRule === undefined) {
    return [`${file}:1: in no known folder, expected one of ${list(Object.keys(FOLDER_RULES))}`];
  }
  const rule = ruleOf(file, { ...folderRule, paths: [folder, ...folderRule.paths] }, manifest);
  const violations: string[] = [];
  for (const statement of statements) {
    const expected = expectedInstead(file, statement, rule);
    if (expected === null) continue;
    violations.push(`${file}:${statement.line}: imports "${statement.specifier}", expected ${expected}`);
  }
  return violations;
}

/** A test may use tools that the program may not. */
function ruleOf(file: string, rule: FolderRule, { dependencies, devDependencies }: Manifest): FileRule {
  const packages = Object.keys(dependencies ?? {});
  if (/\.test\.tsx?$/.test(file)) {
    const tools = Object.keys(devDependencies ?? {});
    return {
      paths: [...rule.paths, "test/support/"],
      types: rule.types ?? [],
      builtins: "every",
      packages: [...packages, ...tools],
    };
  }
  const allowed = rule.packages;
  return { ...rule, packages: packages.filter((name) => allowed === "every" || allowed.includes(name)) };
}

/** What the file may import in place of this, or null where this is allowed. */
function expectedInstead(
  file: string,
  { specifier, typeOnly }: ImportStatement,
  { paths, types = [], builtins, forbiddenBuiltins = [], packages }: FileRule,
): string | null {
  if (specifier.startsWith(".")) {
    const target = resolve(file, specifier);
    const isBelow = (allowed: string) => target.startsWith(allowed);
    if (paths.some(isBelow) || (typeOnly && types.some(isBelow))) return null;
    return list([...paths, ...types.map((allowed) => `types of ${allowed}`)]);
  }
  if (specifier.startsWith("node:")) {
    if (forbiddenBuiltins.includes(specifier)) return `another than ${list(forbiddenBuiltins)}`;
    if (builtins === "every" || builtins.includes(specifier)) return null;
    return `of Node's modules ${list(builtins)}`;
  }
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  return packages.includes(name) ? null : `of the packages ${list(packages)}`;
}

/** A cycle of imports that remain when the modules run, once for each import that closes one. */
function findCycles(modules: Modules): string[] {
  const violations: string[] = [];
  const done = new Set<string>();
  const path: string[] = [];

  function visit(file: string): void {
    path.push(file);
    for (const { specifier, line, typeOnly } of modules.get(file) ?? []) {
      if (typeOnly || !specifier.startsWith(".")) continue;
      const target = resolve(file, specifier);
      const start = path.indexOf(target);
      if (start >= 0) {
        const cycle = [...path.slice(start), target].join(" → ");
        violations.push(`${file}:${line}: closes the cycle ${cycle}, expected no cycles`);
      } else if (!done.has(target)) {
        visit(target);
      }
    }
    path.pop();
    done.add(file);
  }

  for (const file of modules.keys()) if (!done.has(file)) visit(file);
  return violations;
}

function resolve(file: string, specifier: string): string {
  return posix.join(posix.dirname(file), specifier);
}

function list(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.join(", ");
}

if (import.meta.main) {
  const violations = checkImports(process.cwd());
  for (const violation of violations) console.error(violation);
  if (violations.length > 0) process.exitCode = 1;
}
