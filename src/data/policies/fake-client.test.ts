// What the tests of layers put in place of a connection: it keeps what it is sent. It has no test of its own; its name keeps it
// out of what is published.

import {
  type Action,
  type ClientStream,
  Exchange,
  type RequestHead,
  type ResponseHead,
} from "../../core/exchange.ts";
import { HeaderList } from "../../core/headers.ts";
import type { PolicyRun } from "../pipeline.ts";
import type { Policy } from "./policy.ts";

type Fields = Readonly<Record<string, string>>;

export class FakeClient {
  readonly exchange: Exchange;
  head: ResponseHead | null = null;
  readonly pieces: Buffer[] = [];
  /** What was called, and calls that came after the end. */
  ended = false;
  late = 0;
  wasCut = false;
  /** Whether it takes more. */
  flows = true;
  /** What the action heard. */
  drains = 0;
  aborts = 0;
  #watchers: Array<() => void> = [];

  constructor(fields: Fields = {}, request: Partial<RequestHead> = {}) {
    const head = {
      method: "GET",
      path: "/",
      authority: "a.test",
      bodyLength: 0,
      headers: listOf(fields),
      ...request,
    } as RequestHead;
    const client = {
      tls: null,
      sendHead: (head: ResponseHead, body: Buffer | null, last: boolean) => {
        this.head = head;
        this.exchange.status = head.status;
        if (body !== null) this.pieces.push(Buffer.from(body));
        if (last) this.#end();
        return this.flows;
      },
      sendBody: (chunk: Buffer) => {
        if (this.ended) this.late++;
        this.pieces.push(Buffer.from(chunk));
        this.#changed();
        return this.flows;
      },
      sendEnd: () => this.#end(),
      cut: () => {
        this.wasCut = true;
        this.finish();
      },
      finished: () => {},
    };
    this.exchange = new Exchange(head, client as unknown as ClientStream, "192.0.2.1", 0);
    this.exchange.action = {
      onClientDrain: () => {
        this.drains++;
        this.#changed();
      },
      onAborted: () => this.aborts++,
    } as unknown as Action;
  }

  enter(policy: Policy | null): this {
    policy?.enter(this.exchange, null as unknown as PolicyRun);
    return this;
  }

  /** As an action would. Returns whether the client takes more. */
  respond(status: number, fields: Fields, body: Buffer | null, { length = -1, last = false } = {}): boolean {
    const bodyLength = last && length < 0 ? (body?.length ?? 0) : length;
    return this.exchange.client.sendHead(
      { status, reason: "", headers: listOf(fields), bodyLength },
      body,
      last,
    );
  }

  /** All of the body so far. */
  get body(): Buffer {
    return Buffer.concat(this.pieces);
  }

  /** The value of a field of the response. */
  field(lowerName: string): string | null {
    return this.head?.headers.find(lowerName) ?? null;
  }

  finish(): void {
    if (this.exchange.finished) return;
    this.exchange.finished = true;
    this.exchange.client.finished();
  }

  /** Resolves when what it was sent fits. */
  until(fits: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!fits()) return;
        this.#watchers = this.#watchers.filter((watcher) => watcher !== look);
        resolve();
      };
      this.#watchers.push(look);
      look();
    });
  }

  #end(): void {
    if (this.ended) this.late++;
    this.ended = true;
    this.finish();
    this.#changed();
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher();
  }
}

function listOf(fields: Fields): HeaderList {
  const list = new HeaderList();
  for (const [name, value] of Object.entries(fields)) list.add(name, value);
  return list;
}
