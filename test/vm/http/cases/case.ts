// The table of cases: each runs over native and light classes, and what it returns or throws has to be the same.

export interface Incoming {
  readonly method?: string;
  readonly url?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal;
}

export interface World {
  /** A request as a handler gets it. */
  incoming(given: Incoming): Request;
}

/** By what is to be so. */
export type Cases = Record<string, (world: World) => unknown>;

/** What a call came to: for cases that look at several. */
export async function attempt(run: () => unknown): Promise<unknown> {
  try {
    return await run();
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
}

/** The same without the message: where the native one says more of how it is built than of what is wrong. */
export async function kind(run: () => unknown): Promise<unknown> {
  try {
    return await run();
  } catch (error) {
    return (error as Error).name;
  }
}

/** Whether it is the same object each time that it is asked for. */
export function isStable(get: () => unknown): boolean {
  const first = get();
  return get() === first;
}
