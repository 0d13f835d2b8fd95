// `node bench/proxy/run.ts [--quick] [--only NAME] [--without NAME] [--case TEXT]`: what a proxied request costs, beside
// nginx and HAProxy. A full run writes bench/results/proxy.json and .md; a quick or partial one only prints.

import { statSync, truncateSync } from "node:fs";
import { compare } from "../lib/comparison.ts";
import { createScratchFolder } from "../lib/scratch.ts";
import { CONTROL } from "../lib/summary.ts";
import { runWrk } from "../lib/wrk.ts";
import { fullCases, HEADLINE, LOGGED, quickCases } from "./cases.ts";
import { accessLogOf, CONTESTANTS, REFERENCES, startContestant } from "./contestants.ts";
import { verifyContestant } from "./verify.ts";

const folder = createScratchFolder();

await compare({
  name: "proxy",
  title: "Proxy: CPU per request",
  contestants: CONTESTANTS,
  references: REFERENCES,
  fullCases: fullCases(),
  quickCases: quickCases(),
  expectations: [
    { about: HEADLINE, contestant: "sluice", reference: "nginx", target: 1.35, floor: 1.6 },
    { about: HEADLINE, contestant: "sluice", reference: "haproxy", target: 1.2 },
    { about: HEADLINE, contestant: "nginx again", reference: "nginx", remark: CONTROL },
  ],
  start: (name, cores, setup) => startContestant(name, { folder, logged: setup === LOGGED }, cores),
  verify: verifyContestant,
  async run(load, test, server) {
    const report = await runWrk(load);
    if (test.setup === LOGGED) emptyLog(accessLogOf(server.name, folder));
    return report;
  },
});

/** Keeps the disk from filling, and refuses a contestant that logged nothing. */
function emptyLog(path: string): void {
  const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (bytes === 0) throw new Error(`Cannot compare with the access log on: nothing is in ${path}`);
  truncateSync(path);
}
