// Guards of the gateway as a service: another user in place of root, sockets for later, what a service manager is told.

import type { Mutation } from "./mutation.ts";

const privileges = "src/control/privileges.ts";
const spares = "src/control/spare-sockets.ts";
const folder = "src/control/state-folder.ts";
const manager = "src/control/service-manager.ts";
const gateway = "src/control/gateway.ts";
const runAs = "src/config/run-as.ts";

const PRIVILEGES = ["src/control/privileges.test.ts"];
const SPARES = ["src/control/spare-sockets.test.ts"];
const FOLDER = ["src/control/state-folder.test.ts"];
const MANAGER = ["src/control/service-manager.test.ts"];

/** Each of its tests starts a gateway: only the one that sees the difference is run. */
function runAsTest(name: string): string[] {
  return [`--test-name-pattern=${name}`, "test/service/run-as.test.ts"];
}

/** Those of run_as and of the state folder need root, as the tests do. */
export const SERVICE_MUTATIONS: readonly Mutation[] = [
  // ---- another user in place of root ----
  {
    name: "only root becomes another user",
    file: privileges,
    find: "if (current?.uid === 0) return runAs;",
    replace: "if (current !== null) return runAs;",
    tests: PRIVILEGES,
  },
  {
    name: "another group is another user, too",
    file: privileges,
    find: "current?.uid === runAs.uid && current.gid === runAs.gid",
    replace: "current?.uid === runAs.uid",
    tests: PRIVILEGES,
  },
  {
    name: "no group of root's is kept",
    file: privileges,
    find: "else initgroups(user, gid);",
    replace: "",
    tests: runAsTest("is that user in every thread"),
  },
  {
    name: "the group changes with the user",
    file: privileges,
    find: "process.setgid!(gid);",
    replace: "",
    tests: runAsTest("is that user in every thread"),
  },
  {
    name: "a log file that is made belongs to the user",
    file: privileges,
    find: "fchownSync(descriptor, uid, gid);",
    replace: "void [fchownSync, uid, gid];",
    tests: PRIVILEGES,
  },
  {
    name: "a log file that is there, or a link, is not given away",
    file: privileges,
    find: 'openSync(path, "ax")',
    replace: 'openSync(path, "a")',
    tests: PRIVILEGES,
  },
  {
    name: "a log that the user may not write is refused",
    file: gateway,
    find: "if (accessLog?.path != null) checkLogFile(accessLog.path, runAs);",
    replace: "void checkLogFile;",
    tests: runAsTest("does not start with a log"),
  },
  {
    name: "a configuration that the user cannot read is told at start",
    file: gateway,
    find: "if (again.ok) return;",
    replace: "return;",
    tests: runAsTest("says at start that a reload will fail"),
  },
  {
    name: "a user is looked up by name before by number",
    file: runAs,
    find: "numberIn(entry?.[2]) ?? idOf(user)",
    replace: "idOf(user) ?? numberIn(entry?.[2])",
    tests: ["src/config/run-as.test.ts"],
  },
  {
    name: "the largest number, which means no change, is no user",
    file: runAs,
    find: "2 ** 32 - 2",
    replace: "2 ** 32 - 1",
    tests: ["src/config/run-as.test.ts"],
  },

  // ---- the state folder ----
  {
    name: "the state folder belongs to the user",
    file: folder,
    find: "chownSync(made, uid, gid);",
    replace: "void [chownSync, uid, gid];",
    tests: FOLDER,
  },
  {
    name: "a secret belongs to the user",
    file: folder,
    find: "fchownSync(descriptor, this.#owner.uid, this.#owner.gid);",
    replace: "void fchownSync;",
    tests: FOLDER,
  },
  {
    name: "a secret of root's is refused where the user could not read it",
    file: folder,
    find: "owner?.uid ?? process.geteuid?.()",
    replace: "owner === null ? process.geteuid?.() : uid",
    tests: FOLDER,
  },

  // ---- sockets for data threads that are started again ----
  {
    name: "a data thread that died gets a socket of root's",
    file: gateway,
    find: "this.#spares?.take(this.listeners) ?? []",
    replace: "[]",
    tests: runAsTest("starts a data thread that died again"),
  },
  {
    name: "spare sockets share their port",
    file: spares,
    find: "UV_TCP_REUSEPORT = 2",
    replace: "UV_TCP_REUSEPORT = 0",
    tests: SPARES,
  },
  {
    name: "a spare socket is given once",
    file: spares,
    find: "?.pop()?.fd",
    replace: "?.at(-1)?.fd",
    tests: SPARES,
  },
  {
    name: "spare sockets go with their listener",
    file: spares,
    find: "this.#sockets.delete(key);",
    replace: "",
    tests: SPARES,
  },

  // ---- what a service manager is told ----
  {
    name: "messages to the service manager keep their order",
    file: manager,
    find: "this.#sending = this.#sending.then(() => this.#run(assignments, env));",
    replace:
      "this.#sending = Promise.all([this.#sending, this.#run(assignments, env)]).then(() => undefined);",
    tests: MANAGER,
  },
  {
    name: "a gateway that stops is not ready any more",
    file: manager,
    find: "  ready(status: string): Promise<void> {\n    if (this.#isStopping) return this.#sending;",
    replace: "  ready(status: string): Promise<void> {",
    tests: MANAGER,
  },
  {
    name: "nothing is sent without a socket",
    file: manager,
    find: "NOTIFY_SOCKET ? { NOTIFY_SOCKET, PATH } : null",
    replace: '{ NOTIFY_SOCKET: NOTIFY_SOCKET ?? "", PATH }',
    tests: ["test/service/notify.test.ts"],
  },
  {
    name: "a service manager that cannot be told is in the log once",
    file: manager,
    find: "if (this.#failed) return;",
    replace: "",
    tests: MANAGER,
  },
];
