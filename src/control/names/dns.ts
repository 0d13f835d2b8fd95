// Asks DNS servers, by c-ares: getaddrinfo would hold a thread of the one pool that the whole process has, and it gives no
// TTL. Every outcome is a value. Control thread.

import { Resolver } from "node:dns/promises";
import type { ResolverSpec } from "../../config/compile.ts";
import type { Answer, Failed, Found, Missing, Service } from "./answer.ts";

type Outcome<Item> = { readonly kind: "records"; readonly records: readonly Item[] } | Missing | Failed;

/** Questions to each server. */
const TRIES = 2;
/** Node looks that rarely (and once in `timeout`, if that is shorter) for questions that took too long. */
const CARES_TICK_MS = 1000;
/** Node does not tell the TTL of SRV records. */
const SERVICE_TTL_MS = 30_000;

const NO_SUCH_NAME: Missing = { kind: "missing", reason: "there is no such name" };
const NO_ADDRESSES: Missing = { kind: "missing", reason: "it has no addresses" };
const NO_SERVICES: Missing = { kind: "missing", reason: "it has no service (SRV records)" };

export class Dns {
  readonly #spec: ResolverSpec;
  #resolver: Resolver;

  /** Throws where an address of a server is none. */
  constructor(spec: ResolverSpec) {
    this.#spec = spec;
    this.#resolver = createResolver(spec);
  }

  /** Takes the servers of the system as they are now. */
  renew(): void {
    this.#resolver = createResolver(this.#spec);
  }

  stop(): void {
    this.#resolver.cancel();
  }

  /** Asks for IPv4 and IPv6 addresses at a time. The name is taken as it is: no search domains. */
  async addresses(name: string): Promise<Answer<string>> {
    const [four, six] = await Promise.all([
      this.#ask(this.#resolver.resolve4(name, { ttl: true }), NO_ADDRESSES),
      this.#ask(this.#resolver.resolve6(name, { ttl: true }), NO_ADDRESSES),
    ]);
    if (four.kind === "records" && six.kind === "records")
      return foundAddresses([...four.records, ...six.records], null);
    if (four.kind === "records") return foundAddresses(four.records, six.kind === "failed" ? isV6 : null);
    if (six.kind === "records") return foundAddresses(six.records, four.kind === "failed" ? isV4 : null);
    // A name that does not exist has no addresses of either kind, whatever became of the other question.
    for (const outcome of [four, six]) if (outcome === NO_SUCH_NAME) return outcome;
    return four.kind === "failed" ? four : six;
  }

  /** The SRV records of a name. */
  async services(name: string): Promise<Answer<Service>> {
    const outcome = await this.#ask(this.#resolver.resolveSrv(name), NO_SERVICES);
    if (outcome.kind !== "records") return outcome;
    const items: Service[] = [];
    for (const { name: target, port, priority, weight } of outcome.records) {
      // RFC 2782: the root as the target says that the service is not to be had.
      if (target === "" || port === 0) continue;
      items.push({ target: target.toLowerCase(), port, priority, weight });
    }
    return items.length === 0 ? NO_SERVICES : { kind: "found", items, ttlMs: SERVICE_TTL_MS, keeps: null };
  }

  #ask<Item>(query: Promise<Item[]>, nothing: Missing): Promise<Outcome<Item>> {
    // c-ares asks each server in turn and twice, so that many of them could keep a question for minutes.
    const { timeoutMs } = this.#spec;
    const tryMs = timeoutMs + Math.min(timeoutMs, CARES_TICK_MS);
    const limitMs = tryMs * Math.max(TRIES, this.#resolver.getServers().length);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(failed(NO_ANSWER)), limitMs).unref();
      const give = (outcome: Outcome<Item>) => {
        clearTimeout(timer);
        resolve(outcome);
      };
      query.then(
        (records) => give(records.length > 0 ? { kind: "records", records } : nothing),
        ({ code = "", message }: NodeJS.ErrnoException) => {
          if (code === "ENOTFOUND") give(NO_SUCH_NAME);
          else if (code === "ENODATA") give(nothing);
          else give(failed(FAILURES[code] ?? message));
        },
      );
    });
  }
}

function createResolver({ servers, timeoutMs }: ResolverSpec): Resolver {
  const resolver = new Resolver({ timeout: timeoutMs, maxTimeout: timeoutMs, tries: TRIES });
  for (const server of servers ?? []) {
    try {
      resolver.setServers([server]);
    } catch {
      throw new Error(
        `Cannot use ${JSON.stringify(server)} as a DNS server: expected an address such as "10.0.0.2" or "10.0.0.2:53"`,
      );
    }
  }
  if (servers !== null) resolver.setServers(servers);
  return resolver;
}

interface AddressRecord {
  readonly address: string;
  /** Seconds. */
  readonly ttl: number;
}

function foundAddresses(records: readonly AddressRecord[], keeps: Found<string>["keeps"]): Found<string> {
  const ttl = records.reduce((least, record) => Math.min(least, record.ttl), Number.POSITIVE_INFINITY);
  return { kind: "found", items: records.map(({ address }) => address), ttlMs: ttl * 1000, keeps };
}

function isV4(address: string): boolean {
  return !isV6(address);
}

function isV6(address: string): boolean {
  return address.includes(":");
}

const NO_ANSWER = "no DNS server answers";

/** By the codes of c-ares. */
const FAILURES: Readonly<Record<string, string>> = {
  ETIMEOUT: NO_ANSWER,
  ECONNREFUSED: NO_ANSWER,
  ESERVFAIL: "the DNS server failed (SERVFAIL)",
  EREFUSED: "the DNS server refuses to answer",
  EBADRESP: "the answer of the DNS server cannot be read",
  EBADNAME: "DNS cannot have such a name",
};

function failed(reason: string): Failed {
  return { kind: "failed", reason };
}
