// What `node:http2` tells of a client's stream, on its way to the object that serves it: one function for all streams, and a
// bug ends its stream, not the thread. Runs in data threads.

import type { ServerHttp2Stream } from "node:http2";

export interface StreamOwner {
  received(chunk: Buffer): void;
  trailersCame(raw: readonly string[]): void;
  bodyEnded(): void;
  /** The client reset the stream while its response was not ended. */
  aborted(): void;
  drained(): void;
  responseSent(): void;
  sendTrailersNow(): void;
  closed(): void;
  bugFound(bug: unknown): void;
}

/** What listeners get is the stream; this is the way from it to its owner. */
interface OwnedStream extends ServerHttp2Stream {
  owner: StreamOwner;
}

export function own(stream: ServerHttp2Stream, owner: StreamOwner): void {
  (stream as OwnedStream).owner = owner;
  destroyOfNode ??= stream.destroy;
  stream.destroy = destroyWhenWritten;
  // "close" follows, and says all there is to say.
  stream.on("error", noop).on("close", onClose);
}

export function onData(this: unknown, chunk: Buffer): void {
  const { owner } = this as OwnedStream;
  try {
    owner.received(chunk);
  } catch (bug) {
    owner.bugFound(bug);
  }
}

export function onTrailers(this: unknown, _fields: unknown, _flags: unknown, raw: string[]): void {
  (this as OwnedStream).owner.trailersCame(raw);
}

type Signal = "bodyEnded" | "aborted" | "drained" | "responseSent" | "sendTrailersNow" | "closed";

function pass(signal: Signal): (this: unknown) => void {
  return function (this: unknown): void {
    const { owner } = this as OwnedStream;
    try {
      owner[signal]();
    } catch (bug) {
      owner.bugFound(bug);
    }
  };
}

export const onEnd = pass("bodyEnded");
export const onAborted = pass("aborted");
export const onDrain = pass("drained");
export const onFinish = pass("responseSent");
export const onWantTrailers = pass("sendTrailersNow");
const onClose = pass("closed");

function noop(): void {}

// ---- ending without garbage ----

let destroyOfNode: ServerHttp2Stream["destroy"] | null = null;
/** Ended, and not written yet: in this turn of the event loop, and in the one before. */
let ended: ServerHttp2Stream[] = [];
let endedBefore: ServerHttp2Stream[] = [];

/**
 * `node:http2` destroys a stream when the last byte of it is on its way, and not yet written: for that it makes an error
 * that nobody gets, with a stack, and leaves the stream for a full collection to free. A moment later it destroys it by
 * itself, for nothing; a fifth less CPU per request (bench/http2). Where the client is slow, or has reset the stream,
 * that moment may never come, so it is not waited for.
 */
function destroyWhenWritten(this: ServerHttp2Stream, error?: Error): ServerHttp2Stream {
  const isOnItsWay = this.closed && this.writableEnded && !this.writableFinished && !this.destroyed;
  if (error !== undefined || !isOnItsWay || this.session?.destroyed !== false)
    return destroyOfNode!.call(this, error) as ServerHttp2Stream;
  if (ended.length + endedBefore.length === 0) setImmediate(destroyEnded);
  ended.push(this);
  return this;
}

function destroyEnded(): void {
  const due = endedBefore;
  endedBefore = ended;
  ended = [];
  for (const stream of due) destroyOfNode!.call(stream);
  if (endedBefore.length > 0) setImmediate(destroyEnded);
}
