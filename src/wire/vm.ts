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
  readonly env: Readonly<Record<string, string>>;
}

export type ToVm =
  | VmStart
  /** Comes with a socket: the link to one data thread. */
  | { readonly type: "link" }
  | { readonly type: "ping"; readonly number: number };

export type FromVm =
  /** The app is loaded: links may come. */
  | { readonly type: "ready" }
  /** The app cannot be loaded. */
  | { readonly type: "failed"; readonly message: string; readonly stack: string }
  | { readonly type: "pong"; readonly number: number; readonly numbers: VmNumbers }
  | {
      readonly type: "log";
      readonly level: "debug" | "info" | "warn" | "error";
      readonly message: string;
      readonly fields: Readonly<Record<string, string | number>>;
    };

/** What a VM tells of itself. */
export interface VmNumbers {
  /** Handlers under way, and exchanges that wait for their turn. */
  readonly running: number;
  readonly queued: number;
  /** Bytes. */
  readonly heapUsed: number;
  readonly external: number;
  readonly rss: number;
  /** 0 to 1, since the ping before. */
  readonly utilization: number;
  /** Microseconds since its start. */
  readonly cpu: number;
  /** What keeps its event loop alive. */
  readonly handles: number;
}
