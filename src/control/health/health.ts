// The health of all backends: active checks, the end of ejections, slow starts. Control thread, never on the path of a
// request: data threads read what it writes from the backends' shared memory.

import type { BackendSpec, UpstreamSpec } from "../../config/snapshot.ts";
import type { BackendState } from "../../core/shared/backend-state.ts";
import type { UpstreamState } from "../../core/shared/upstream-state.ts";
import type { Log } from "../log.ts";
import { BackendHealth, type HealthChanges, type HealthContext, type LastCheck } from "./backend-health.ts";
import { EjectedCount } from "./ejected-count.ts";
import { Turns } from "./turns.ts";

/** An upstream of the snapshot, with the shared memory that its specs name. */
export interface WatchedUpstream {
  readonly spec: UpstreamSpec;
  readonly state: UpstreamState;
  readonly backends: ReadonlyArray<{ readonly spec: BackendSpec; readonly state: BackendState }>;
}

/** Checks at a time, over all backends. */
const CHECKS_AT_A_TIME = 64;
const TICK_MS = 100;
/** Upstreams of which no backend has anything that ends are looked at every so many ticks, unless an ejection is counted. */
const QUIET_TICKS = 10;
/** The first checks of new backends begin one after the other, */
const FIRST_CHECK_STEP_MS = 10;
/** and the last one after this at the latest. */
const FIRST_CHECKS_MS = 1000;

/** What the ticks go through. */
interface Watch {
  readonly state: UpstreamState;
  readonly backends: readonly BackendHealth[];
  readonly count: EjectedCount;
  isQuiet: boolean;
}

export class Health {
  readonly #context: HealthContext;
  /** By upstream and id. */
  #backends = new Map<string, BackendHealth>();
  #watches: readonly Watch[] = [];
  #ticks = 0;
  #timer: NodeJS.Timeout | null = null;

  /** `onRoom` is called with the name of an upstream when one of its backends may be used again. */
  constructor(log: Log, onRoom: (upstream: string) => void) {
    this.#context = { log, turns: new Turns(CHECKS_AT_A_TIME), onRoom };
  }

  /**
   * Goes over to the backends of a snapshot that every data thread has activated. What is checked as before is not
   * disturbed; the first checks of the others begin at once.
   */
  update(upstreams: readonly WatchedUpstream[]): void {
    const nowMs = Date.now();
    const kept = new Map<string, BackendHealth>();
    const beginning: BackendHealth[] = [];
    this.#watches = upstreams.map((upstream) => {
      const backends = upstream.backends.map((backend) => {
        const key = keyOf(upstream.spec.name, backend.spec.id);
        const member = { upstream, backend };
        let health = this.#backends.get(key);
        if (health === undefined) {
          health = new BackendHealth(member, this.#context, nowMs);
          if (health.isChecked) beginning.push(health);
        } else if (health.adopt(member, nowMs)) beginning.push(health);
        kept.set(key, health);
        return health;
      });
      return { state: upstream.state, backends, count: new EjectedCount(), isQuiet: false };
    });
    for (const [key, health] of this.#backends) if (!kept.has(key)) health.leave();
    this.#backends = kept;
    const stepMs = Math.min(FIRST_CHECK_STEP_MS, FIRST_CHECKS_MS / beginning.length);
    for (const [i, health] of beginning.entries()) health.start(i * stepMs);
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref();
  }

  /** Null for a backend that is in no snapshot. */
  changes(upstream: string, id: string): HealthChanges | null {
    return this.#backends.get(keyOf(upstream, id))?.changes ?? null;
  }

  /** Null for a backend that was not checked yet, or is not. */
  lastCheck(upstream: string, id: string): LastCheck | null {
    return this.#backends.get(keyOf(upstream, id))?.lastCheck ?? null;
  }

  /** Ends all checks, those under way among them. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    for (const health of this.#backends.values()) health.stop();
    this.#backends.clear();
    this.#watches = [];
  }

  #tick(): void {
    const nowMs = Date.now();
    const isForAll = this.#ticks++ % QUIET_TICKS === 0;
    for (const watch of this.#watches) {
      const { state, backends, count } = watch;
      if (watch.isQuiet && !isForAll && state.ejected === 0) continue;
      watch.isQuiet = true;
      let ejected = 0;
      for (const backend of backends) {
        if (backend.tick(nowMs)) watch.isQuiet = false;
        if (backend.isEjected) ejected++;
      }
      count.compare(state, ejected);
    }
  }
}

function keyOf(upstream: string, id: string): string {
  return `${upstream}\0${id}`;
}
