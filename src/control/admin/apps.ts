// The answer of `/api/v1/apps`, and what `/metrics` tells of apps. Control thread.

import { quote } from "../../config/problem.ts";
import type { AppQueueNumbers } from "../../core/shared/app-queue.ts";
import type { AppReport, VmReport } from "../apps/app-report.ts";
import { OUTCOMES } from "../apps/outcome.ts";
import { AdminError } from "./error.ts";
import type { Exposition } from "./exposition.ts";
import { hint } from "./report.ts";

/** `asked`: the name of an app, or empty for all. */
export function appsAnswer(apps: readonly AppReport[], asked: string) {
  const found = asked === "" ? apps : apps.filter(({ name }) => name === asked);
  if (asked !== "" && found.length === 0) {
    const message = `There is no app ${quote(asked)}${hint(asked, [...new Set(apps.map(({ name }) => name))])}`;
    throw new AdminError(404, "unknown_app", message);
  }
  return {
    apps: found.map(({ name, version, state, reason, instances, isolation, outcomes, queue, vms }) => {
      const about = { name, version, state, reason, instances, isolation, outcomes };
      return { ...about, queue: queueAnswer(queue), vms: vms.map(vmAnswer) };
    }),
  };
}

function queueAnswer({ queued, waiting, rejected, timedOut, waits }: AppQueueNumbers) {
  const ms = (us: number) => rounded(us / 1000);
  return {
    queued,
    waiting,
    rejected,
    timed_out: timedOut,
    waited: waits.count,
    wait_ms: {
      p50: ms(waits.quantile(0.5)),
      p90: ms(waits.quantile(0.9)),
      p99: ms(waits.quantile(0.99)),
      max: ms(waits.max),
    },
  };
}

function vmAnswer({ ageMs, cpuMs, eventLoop, ...rest }: VmReport) {
  return {
    ...rest,
    age_seconds: rounded(ageMs / 1000),
    cpu_seconds: rounded(cpuMs / 1000),
    event_loop_usage: rounded(eventLoop * 100),
  };
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

const VM_STATES = ["starting", "spare", "serving", "draining"] as const;

export function addApps(out: Exposition, apps: readonly AppReport[]): void {
  for (const name of new Set(apps.map((app) => app.name))) {
    const versions = apps.filter((app) => app.name === name);
    const vms = versions.flatMap((app) => app.vms);
    const available = versions.some(({ state }) => state === "serving" || state === "degraded");
    const labels = { app: name };
    out.gauge("sluice_app_available", "1 while a VM serves the app.", available ? 1 : 0, labels);
    for (const state of VM_STATES) {
      const count = vms.filter((vm) => vm.state === state).length;
      out.gauge("sluice_app_vms", "VMs of the app, old versions among them.", count, { ...labels, state });
    }
    for (const outcome of OUTCOMES) {
      const count = versions[0]!.outcomes[outcome];
      out.counter("sluice_app_vm_ends_total", "VMs that ended, by outcome.", count, { ...labels, outcome });
    }
    addQueue(out, versions[0]!.queue, labels);
    for (const vm of vms) addVm(out, vm, { ...labels, vm: String(vm.id) });
  }
}

function addQueue(out: Exposition, queue: AppQueueNumbers, labels: { readonly app: string }): void {
  const { queued, waiting, rejected, timedOut, waits } = queue;
  out.gauge("sluice_app_queued", "Exchanges at VMs that wait for their turn.", queued, labels);
  out.gauge("sluice_app_waiting", "Exchanges that wait for a VM to serve.", waiting, labels);
  out.counter("sluice_app_rejected_total", "Exchanges for which there was no place.", rejected, labels);
  out.counter("sluice_app_queue_timeouts_total", "Exchanges that waited in vain.", timedOut, labels);
  out.histogram("sluice_app_queue_seconds", "Waits of exchanges that were begun after one.", waits, labels);
}

function addVm(out: Exposition, vm: VmReport, labels: { readonly app: string; readonly vm: string }): void {
  const { outstanding, running, queued, abandoned, pending } = vm;
  out.counter("sluice_vm_requests_total", "Requests that came to the VM.", vm.requests, labels);
  out.gauge("sluice_vm_outstanding", "Exchanges at the VM, over all data threads.", outstanding, labels);
  out.gauge("sluice_vm_running", "Handlers under way.", running, labels);
  out.gauge("sluice_vm_queued", "Exchanges that wait for their turn.", queued, labels);
  out.gauge("sluice_vm_abandoned", "Handlers under way whose exchange is over.", abandoned, labels);
  out.gauge("sluice_vm_pending", "Work that goes on after its exchange.", pending, labels);
  out.gauge("sluice_vm_heap_bytes", "JavaScript objects.", vm.heap, labels);
  out.gauge(
    "sluice_vm_external_bytes",
    "Buffers, and what else is outside of the heap.",
    vm.external,
    labels,
  );
  out.gauge("sluice_vm_resident_memory_bytes", "Memory that the process takes.", vm.rss, labels);
  out.counter("sluice_vm_cpu_seconds_total", "Processor time used.", vm.cpuMs / 1000, labels);
  out.gauge(
    "sluice_vm_event_loop_utilisation",
    "Share of the last second in which it worked.",
    vm.eventLoop,
    labels,
  );
  out.gauge("sluice_vm_handles", "Sockets, timers and the like that are open.", vm.handles, labels);
}
