// Guards of "sluice/test", and of what VMs are kept in.

import type { Mutation } from "./mutation.ts";

const configuration = "src/testing/configuration.ts";
const request = "src/testing/request.ts";
const TESTING = ["test/testing/test-gateway.test.ts"];
const isolation = "src/control/apps/isolation.ts";
const apps = "src/control/apps/apps.ts";
const KINDS = ["test/apps/isolation-kinds.test.ts"];

export const APP_SURFACE_MUTATIONS: readonly Mutation[] = [
  {
    name: "a test gateway takes free ports",
    file: configuration,
    find: '    host: "127.0.0.1",\n    port: 0,\n',
    replace: "",
    tests: TESTING,
  },
  {
    name: "a test gateway has its admin API elsewhere",
    file: configuration,
    find: '{ ...gateway.admin, host: "127.0.0.1", port: 0 }',
    replace: "gateway.admin",
    tests: TESTING,
  },
  {
    name: "a test stays who it is",
    file: configuration,
    find: "      runAs: null,\n",
    replace: "",
    tests: TESTING,
  },
  {
    name: "standard output is the report of the tests",
    file: configuration,
    find: "snapshot.accessLog?.path == null ? null : snapshot.accessLog",
    replace: "snapshot.accessLog",
    tests: TESTING,
  },
  {
    name: "what an object of a test holds is no variable",
    file: configuration,
    find: 'return text.replaceAll("${", () => "$${");',
    replace: "return text;",
    tests: TESTING,
  },
  {
    name: "a request of a test has the Host of its URL",
    file: request,
    find: "{ host, ...Object.fromEntries(request.headers) }",
    replace: "{ ...Object.fromEntries(request.headers) }",
    tests: TESTING,
  },
  {
    name: "apps of several users have their files apart",
    file: apps,
    find: "const key = user?.uid ?? null;",
    replace: "const key = null;",
    tests: KINDS,
  },
  {
    name: "who gives root up starts no VM as somebody else",
    file: isolation,
    find: 'mayBe("user") && isRoot && this.#runAs === null',
    replace: 'mayBe("user") && isRoot',
    tests: KINDS,
  },
  {
    name: "no VM is root where the gateway will not be",
    file: isolation,
    find: 'return { isolation: "none", prefix: dying, user };',
    replace: 'return { isolation: "none", prefix: dying, user: null };',
    tests: KINDS,
  },
  {
    name: "namespaces without a /proc of their own are better than none",
    file: isolation,
    find: "[[OWN_PROC], []]",
    replace: "[[OWN_PROC]]",
    tests: KINDS,
  },
];
