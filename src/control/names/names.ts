// Turns the names of backends into addresses, and follows them as DNS and the hosts file change. Control thread; one of
// these for each configuration.

import type { ResolverSpec } from "../../config/compile.ts";
import type { BackendPlan, UpstreamPlan } from "../../config/snapshot.ts";
import { isAddress } from "../../core/ip.ts";
import type { Log } from "../log.ts";
import type { Place } from "../upstreams.ts";
import type { Answer, Service } from "./answer.ts";
import { Dns } from "./dns.ts";
import { FileStamp } from "./file-stamp.ts";
import { FollowedName, type Pace } from "./followed-name.ts";
import { HostsFile } from "./hosts-file.ts";
import { placeOf, placesOfHost, placesOfServices } from "./places.ts";

export interface NamesSetting {
  readonly resolver: ResolverSpec;
  readonly upstreams: readonly UpstreamPlan[];
  readonly log: Log;
  /** `placesOf` gives something else than before for at least one backend. Only after `resolved()`. */
  readonly onChange: () => void;
  /** Of the configuration before: what it knows is used where DNS does not answer. It is left as it is. */
  readonly previous: Names | null;
}

/** How the system is looked at. */
export interface NamesSystem {
  readonly hostsPath: string;
  /** Where the DNS servers of the system stand. */
  readonly resolvPath: string;
  /** Between two looks at whether the files have changed. */
  readonly watchMs: number;
  /** How long the last addresses of a name stay when DNS says that there are none. */
  readonly holdMs: number;
}

const SYSTEM: NamesSystem = {
  hostsPath: "/etc/hosts",
  resolvPath: "/etc/resolv.conf",
  watchMs: 5000,
  holdMs: 30_000,
};

export class Names {
  readonly #log: Log;
  readonly #onChange: () => void;
  readonly #pace: Pace;
  readonly #dns: Dns;
  readonly #hostsFile: HostsFile;
  /** By the name in the plan or in an SRV record. */
  readonly #hosts = new Map<string, FollowedName<string>>();
  /** By the name of the records. */
  readonly #services = new Map<string, FollowedName<Service>>();
  /** In the order of the file. */
  readonly #places = new Map<BackendPlan, readonly Place[]>();
  readonly #resolved = Promise.withResolvers<void>();
  #isResolved = false;
  #review: NodeJS.Immediate | null = null;
  readonly #watch: NodeJS.Timeout;

  /** Throws where `resolver.servers` has what is no address. Begins to ask at once. */
  constructor(setting: NamesSetting, system: Partial<NamesSystem> = {}) {
    const { resolver, upstreams, previous } = setting;
    const { hostsPath, resolvPath, watchMs, holdMs } = { ...SYSTEM, ...system };
    this.#log = setting.log;
    this.#onChange = setting.onChange;
    this.#pace = { minTtlMs: resolver.minTtlMs, maxTtlMs: resolver.maxTtlMs, holdMs };
    this.#dns = new Dns(resolver);
    this.#hostsFile = new HostsFile(hostsPath);
    for (const { backends } of upstreams) for (const plan of backends) this.#places.set(plan, []);
    for (const { srv } of this.#places.keys()) {
      if (srv !== null && !this.#services.has(srv)) this.#followServices(srv, previous);
    }
    this.#followHosts(previous);
    const servers = resolver.servers === null ? new FileStamp(resolvPath) : null;
    this.#watch = setInterval(() => this.#look(servers), watchMs).unref();
    this.#reviewSoon();
  }

  /**
   * Resolves when each name was answered for the first time, or nobody answered in time: `resolver.timeout` and up to a second
   * more, twice, or once for each server if they are more; with SRV records the same again for their targets. Resolves also
   * when these names are stopped, and never rejects.
   */
  resolved(): Promise<void> {
    return this.#resolved.promise;
  }

  /** Where a backend of these upstreams is now, in an order that stays; empty while its name has no address. */
  placesOf(plan: BackendPlan): readonly Place[] {
    const places = this.#places.get(plan);
    if (places === undefined) throw new Error(`Cannot tell where ${plan.id} is: expected one of these plans`);
    return places;
  }

  /** Nothing is asked or said after this. */
  stop(): void {
    clearInterval(this.#watch);
    if (this.#review !== null) clearImmediate(this.#review);
    for (const followed of this.#followed()) followed.stop();
    this.#dns.stop();
    this.#resolved.resolve();
  }

  *#followed() {
    yield* this.#services.values();
    yield* this.#hosts.values();
  }

  #look(servers: FileStamp | null): void {
    const renewed = servers?.changed() === true;
    if (renewed) this.#dns.renew();
    if (this.#hostsFile.refresh() || renewed) for (const followed of this.#followed()) void followed.ask();
  }

  /** What changes within a turn is looked at once. */
  #reviewSoon(): void {
    this.#review ??= setImmediate(() => {
      this.#review = null;
      this.#followHosts(null);
      for (const followed of this.#followed()) if (!followed.settled) return;
      this.#renewPlaces();
    });
  }

  #renewPlaces(): void {
    let isChanged = false;
    for (const [plan, old] of this.#places) {
      const places = this.#findPlaces(plan);
      if (JSON.stringify(places) === JSON.stringify(old)) continue;
      this.#places.set(plan, places);
      isChanged = true;
    }
    if (this.#isResolved) {
      if (isChanged) this.#onChange();
    } else {
      this.#isResolved = true;
      this.#resolved.resolve();
    }
  }

  #findPlaces(plan: BackendPlan): Place[] {
    const addressesOf = (name: string) => this.#hosts.get(name)?.items ?? [];
    if (plan.srv !== null) {
      return placesOfServices(plan, this.#services.get(plan.srv)?.items ?? [], addressesOf);
    }
    return needsName(plan) ? placesOfHost(plan, addressesOf(plan.host)) : [placeOf(plan)];
  }

  #followServices(name: string, previous: Names | null): void {
    const ask = () => this.#dns.services(name);
    const followed = new FollowedName(
      { name, ask, ...this.#common() },
      previous === null ? undefined : previous.#services.get(name),
    );
    this.#services.set(name, followed);
    void followed.ask();
  }

  /** Follows the hosts that the plans and their SRV records name, and forgets all others. */
  #followHosts(previous: Names | null): void {
    const wanted = new Set<string>();
    for (const plan of this.#places.keys()) if (needsName(plan)) wanted.add(plan.host);
    for (const { items } of this.#services.values()) for (const { target } of items) wanted.add(target);
    for (const [name, followed] of this.#hosts) {
      if (wanted.has(name)) continue;
      followed.stop();
      this.#hosts.delete(name);
    }
    for (const name of wanted) {
      if (this.#hosts.has(name)) continue;
      const ask = () => this.#addressesOf(name);
      const followed = new FollowedName(
        { name, ask, ...this.#common() },
        previous === null ? undefined : previous.#hosts.get(name),
      );
      this.#hosts.set(name, followed);
      void followed.ask();
    }
  }

  #common() {
    return { pace: this.#pace, log: this.#log, onChange: () => this.#reviewSoon() };
  }

  #addressesOf(name: string): Answer<string> | Promise<Answer<string>> {
    // SRV records may have an address for a target, although RFC 2782 wants a name.
    const items = isAddress(name) ? [name] : this.#hostsFile.addressesOf(name);
    if (items === null) return this.#dns.addresses(name);
    return { kind: "found", items, ttlMs: Number.POSITIVE_INFINITY, keeps: null };
  }
}

function needsName({ host, socketPath, srv }: BackendPlan): boolean {
  return socketPath === null && srv === null && !isAddress(host);
}
