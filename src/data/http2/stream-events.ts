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
