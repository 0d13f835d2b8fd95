// Messages between the control thread and a VM, over the VM's IPC channel. Each is small and rare.

/** What a VM is told when it starts. */
export interface VmStart {
  readonly type: "start";
  readonly app: string;
  /** Tells the VMs of a gateway apart. */
  readonly vm: number;
  /** What links prove themselves with. */
  readonly key: string;
  /** URL of the bundle. */
  readonly bundle: string;
  readonly concurrency: number;
  /** Most bytes of messages that may wait for the client of one WebSocket. */
  readonly webSocketQueueBytes: number;
  readonly env: Readonly<Record<string, string>>;
  /** Where the debugger listens, or null. */
  readonly inspect: { readonly host: string; readonly port: number } | null;
  /** Names of those that the app may ask. */
  readonly upstreams: readonly string[];
  /** The code says something: lines of the log are to have the id of their request. */
  readonly logs: boolean;
}

export type ToVm =
  | VmStart
  /** Comes with a socket: the link to one data thread. */
  | { readonly type: "link" }
  /** Answered by `pong` at once; `numbers`: with all that a VM tells of itself. */
  | { readonly type: "ping"; readonly number: number; readonly numbers: boolean }
  /** No data thread sends more exchanges: answered by `drained`, each time when there is nothing left to do. */
  | { readonly type: "drain" };

export type FromVm =
  /** The app is loaded: links may come. */
  | { readonly type: "ready" }
  /** The app cannot be loaded. */
  | { readonly type: "failed"; readonly message: string; readonly stack: string }
  | {
      readonly type: "pong";
      readonly number: number;
      /** Exchanges that came, since its start. */
      readonly requests: number;
      readonly numbers: VmNumbers | null;
    }
  | { readonly type: "drained" }
  | LogFromVm;

/** A line for the gateway's log. */
export interface LogFromVm {
  readonly type: "log";
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  /** Id of the request, or empty. */
  readonly request: string;
}

/** What a VM tells of itself. */
export interface VmNumbers {
  /** Handlers under way, and exchanges that wait for their turn. */
  readonly running: number;
  readonly queued: number;
  /** Handlers under way whose exchange is over: nobody waits for what they return. */
  readonly abandoned: number;
  /** Work that goes on after its exchange: promises given to `ctx.waitUntil`. */
  readonly pending: number;
  /** Bytes. */
  readonly heapUsed: number;
  readonly external: number;
  readonly rss: number;
  /** 0 to 1, since the numbers before. */
  readonly utilization: number;
  /** Microseconds since its start. */
  readonly cpu: number;
  /** What keeps its event loop alive. */
  readonly handles: number;
}

/** Exit code of a VM that an exception ended: tells it from one whose app called `process.exit`. */
export const CRASHED_EXIT_CODE = 70;
