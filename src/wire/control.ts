// Messages between the control thread and the data threads. Each is small, rare, and cloned.

import type { Snapshot } from "../config/snapshot.ts";

/** Given to a data thread when it starts. */
export interface DataThreadData {
  readonly index: number;
  /** How many there are. */
  readonly threads: number;
  /** Tells gateways of one process apart. */
  readonly gateway: string;
  /** The shared memory of core/metrics.ts. */
  readonly metrics: SharedArrayBuffer;
  /** The shared memory of core/shared/client-counts.ts. */
  readonly clients: SharedArrayBuffer;
  /** The shared memory of data/policies/cache-changes.ts: an Int32 for each data thread. */
  readonly cacheChanges: SharedArrayBuffer;
  readonly tls: TlsUpdate;
  /** Several data threads share each port. */
  readonly reusePort: boolean;
}

/** What changes of TLS towards clients while a snapshot stays. */
export interface TlsUpdate {
  /** 48 bytes, the same in all data threads: any of them may resume a session. */
  readonly ticketKeys: Uint8Array;
  readonly staples: readonly OcspStaple[];
}

/** What a responder says of a certificate. */
export interface OcspStaple {
  /** Of the certificate. */
  readonly id: string;
  /** DER. */
  readonly response: Uint8Array;
}

export type ToDataThread =
  /**
   * Build everything the snapshot needs and open its new listeners; answered by `prepared`. `sockets` are descriptors of
   * bound sockets, one for each listener that has one.
   */
  | { readonly type: "prepare"; readonly snapshot: Snapshot; readonly sockets: readonly (number | null)[] }
  /** Serve new exchanges from the prepared snapshot; answered by `activated`. */
  | { readonly type: "activate"; readonly version: number }
  /** Forget the prepared snapshot: another thread could not prepare it. */
  | { readonly type: "discard"; readonly version: number }
  | { readonly type: "reopen-logs" }
  /** Let go of responses that are kept; answered by `purged`. */
  | { readonly type: "purge"; readonly purge: CachePurge }
  | { readonly type: "tls"; readonly tls: TlsUpdate }
  /** A backend came back: exchanges that wait for the upstream may go to it. */
  | { readonly type: "room-made"; readonly upstream: string }
  /**
   * These VMs serve a pool from now on, and no others; answered by `vms-taken`. `down` says why nothing serves it for
   * longer than a moment, or is null.
   */
  | {
      readonly type: "vms";
      readonly pool: number;
      readonly vms: readonly VmAddress[];
      readonly down: string | null;
    }
  /** `harmful`: it hung or ran out of memory, and so may the next one of what was begun in it. */
  | { readonly type: "vm-ended"; readonly vm: number; readonly harmful: boolean }
  /** Accept no more, end what is under way, answer `drained` when the last connection closed. */
  | { readonly type: "drain" }
  /** Cut what is left now; answered by `drained`. */
  | { readonly type: "cut" };

export type FromDataThread =
  | { readonly type: "prepared"; readonly version: number; readonly problem: string | null }
  | { readonly type: "activated"; readonly version: number }
  | { readonly type: "purged"; readonly dropped: number }
  | { readonly type: "drained"; readonly cut: number }
  /** Once for each `vms`, in their order: no exchange goes to other VMs of that pool any more. */
  | { readonly type: "vms-taken" }
  /** A VM broke the rules of its link (`fault`), or closed it (null). The link is gone. */
  | { readonly type: "link-lost"; readonly vm: number; readonly fault: string | null }
  | {
      readonly type: "log";
      readonly level: LogLevel;
      readonly message: string;
      readonly fields: Readonly<Record<string, string | number>>;
    };

/** Where a data thread finds a VM. */
export interface VmAddress {
  /** Tells the VMs of a gateway apart. */
  readonly id: number;
  /** Its place in the pool's shared memory. */
  readonly slot: number;
  /** Of a unix socket. */
  readonly path: string;
  /** What a link proves itself with: who finds the socket does not know it. */
  readonly key: string;
}

export type LogLevel = "info" | "warn" | "error";

/** Which of the responses that are kept: those that fit in all that is not null. */
export interface CachePurge {
  /** Name of the route. */
  readonly route: string | null;
  /** Lower case, without port. */
  readonly host: string | null;
  /** Without query: those of all queries. */
  readonly path: string | null;
  readonly prefix: string | null;
}
