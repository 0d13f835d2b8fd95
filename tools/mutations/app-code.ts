// Guards of what becomes of the code of apps: bundles, errors, reload, `sluice serve`.

import type { Mutation } from "./mutation.ts";

const apps = "src/control/apps/apps.ts";
const bundler = "src/control/apps/bundler.ts";
const gateway = "src/control/gateway.ts";
const errorBody = "src/data/error-body.ts";
const failure = "src/vm/failure.ts";
const foreground = "src/cli/foreground.ts";
const serve = "src/cli/serve.ts";
const vmDebugger = "src/vm/debugger.ts";
const ERRORS = ["test/apps/errors.test.ts"];
const WATCH = ["test/apps/watch.test.ts"];
const BUNDLE = ["test/apps/bundle.test.ts"];
const SERVE = ["test/apps/serve.test.ts"];

export const APP_CODE_MUTATIONS: readonly Mutation[] = [
  {
    name: "what was thrown stays in the log where errors are plain",
    file: errorBody,
    find: "const isDetailed = fault?.isDetailed === true;",
    replace: "const isDetailed = fault !== null;",
    tests: ERRORS,
  },
  {
    name: "what was thrown does not become markup",
    file: errorBody,
    find: 'escaped(stack.join("\\n"))',
    replace: 'stack.join("\\n")',
    tests: ERRORS,
  },
  {
    name: "an error has the id of its request",
    file: "src/data/pipeline.ts",
    find: 'if (requestId !== "") headers.add("X-Request-Id", requestId);',
    replace: "",
    tests: ERRORS,
  },
  {
    name: "an error that cannot be shown ends no VM",
    file: failure,
    find: 'return { message: "an error that cannot be shown", stack: "" };',
    replace: "throw thrown;",
    tests: ERRORS,
  },
  {
    name: "a stack has no calls of the program that runs the app",
    file: failure,
    find: "!OTHERS.some((other) => line.includes(other))",
    replace: "true",
    tests: ERRORS,
  },
  {
    name: "stacks have whole paths of the source",
    file: bundler,
    find: 'sourceRoot: "file:///",',
    replace: "",
    tests: ERRORS,
  },
  {
    name: "import.meta is that of the source file",
    file: bundler,
    find: "define: PLACES,",
    replace: "",
    tests: BUNDLE,
  },
  {
    name: "code of another line is another version",
    file: bundler,
    find: ".update(code).update(map)",
    replace: ".update(entry)",
    tests: WATCH,
  },
  {
    name: "a change that may mend a build is seen",
    file: apps,
    find: "if (error.inputs.length > 0) this.#code?.watch(error.inputs);",
    replace: "this.#code?.watch([]);",
    tests: WATCH,
  },
  {
    name: "a build that fails is tried again with a change only",
    file: apps,
    find: "if (error.inputs.length > 0) this.#code?.watch(error.inputs);",
    replace: "this.#code?.watch([...this.#inputs, ...error.inputs]);",
    tests: WATCH,
  },
  {
    name: "a file that was missing is seen when it comes",
    file: bundler,
    find: "...placesOfMissing(errors),",
    replace: "",
    tests: WATCH,
  },
  {
    name: "an entry that is gone is seen when it comes back",
    file: bundler,
    find: "[entry, ...settings]",
    replace: "settings",
    tests: WATCH,
  },
  {
    name: "the settings of a build are watched, too",
    file: bundler,
    find: "return [entry, ...settings].map",
    replace: "return [entry].map",
    tests: WATCH,
  },
  {
    name: "the new version is watched by its own files",
    file: apps,
    find: "this.#code?.watch(this.#inputs);\n    for",
    replace: "for",
    tests: WATCH,
  },
  {
    name: "another change during a build leads to another build",
    file: gateway,
    find: "      this.#isCodeToFollow = false;\n      if (this.#stopping",
    replace: "      if (this.#stopping",
    tests: WATCH,
  },
  {
    name: "a file that was touched makes no version",
    file: gateway,
    find: "if (isNew) await this.#switch(this.#plan, this.#names, apps);",
    replace: "await this.#switch(this.#plan, this.#names, apps);",
    tests: WATCH,
  },
  {
    name: "a secret is gone over to with the code that is served",
    file: apps,
    find: 'code === "as before" ?',
    replace: "Math.random() < 0 ?",
    tests: WATCH,
  },
  {
    name: "the first version is waited for where code is watched",
    file: foreground,
    find: "if (!watch || error.inputs.length === 0) return null;",
    replace: "return null;",
    tests: WATCH,
  },
  {
    name: "without --watch nothing is watched",
    file: gateway,
    find: "onCode: watch ? () => this.#followCode() : null,",
    replace: "onCode: () => this.#followCode(),",
    tests: WATCH,
  },
  {
    name: "a VM at a breakpoint is in no hurry",
    file: serve,
    find: '{ timeout: A_DAY, start_timeout: A_DAY, queue: { timeout: A_DAY }, isolation: "none" }',
    replace: '{ isolation: "none" }',
    tests: SERVE,
  },
  {
    name: "the debugger is opened once its port is free",
    file: vmDebugger,
    find: "setTimeout(() => tryIt(false), AGAIN_MS).unref();",
    replace: "",
    tests: SERVE,
  },
  {
    name: "what the command line says is no variable of the environment",
    file: serve,
    find: 'typeof value === "string" ? escaped(value) : value',
    replace: "value",
    tests: SERVE,
  },
];
