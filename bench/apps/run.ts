// `node bench/apps/run.ts [--quick] [--only NAME] [--without NAME] [--case TEXT]`: what a request costs that a handler
// answers, beside other runtimes and frameworks. A full run writes bench/results/apps.json and .md; another only prints.

import { compare } from "../lib/comparison.ts";
import { createScratchFolder } from "../lib/scratch.ts";
import { expectations, fullCases, quickCases, writeOrders } from "./cases.ts";
import { CONTESTANTS, startContestant } from "./contestants.ts";
import { programs, requireInstalled } from "./installed.ts";
import { verifyContestant } from "./verify.ts";

requireInstalled();
const folder = createScratchFolder();
const orders = writeOrders(folder);

await compare({
  name: "apps",
  title: "Apps: CPU per request",
  foreword: `One thread or process runs the handler of each, on one core: nginx with one worker, Sluice with one data thread and one
VM (CPU and memory are those of the gateway and the VM together). No access log, the same warm-up, answers checked.`,
  programs: programs(),
  contestants: CONTESTANTS,
  references: ["openresty", "bun"],
  fullCases: fullCases(orders, CONTESTANTS.length),
  quickCases: quickCases(orders),
  expectations: expectations(),
  warmUpSeconds: 2,
  start: (name, cores) => startContestant(name, folder, cores),
  verify: verifyContestant,
});
