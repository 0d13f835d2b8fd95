// What a question about a name can bring. Control thread.

export type Answer<Item> = Found<Item> | Missing | Failed;

export interface Found<Item> {
  readonly kind: "found";
  /** At least one. */
  readonly items: readonly Item[];
  readonly ttlMs: number;
  /** Which of the last items stay beside these, because the question for them failed; null for none. */
  readonly keeps: ((item: Item) => boolean) | null;
}

/** The servers say that there is nothing. */
export interface Missing {
  readonly kind: "missing";
  readonly reason: string;
}

/** Nobody knows: the servers do not answer, or not with sense. */
export interface Failed {
  readonly kind: "failed";
  readonly reason: string;
}

/** A record of type SRV (RFC 2782). */
export interface Service {
  /** In lower case, without the dot at the end. */
  readonly target: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}
