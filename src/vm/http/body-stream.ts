// Bodies as streams of bytes: made of what is at hand or of what the link gives, and read to the end. VM processes.
import { Readable } from "node:stream";
import * as web from "node:stream/web";
import { isUint8Array } from "node:util/types";
import { noteLength } from "./known-length.ts";
import type { BodySource } from "./request-source.ts";

export type ByteStream = ReadableStream<Uint8Array>;

/** Whether anybody ever read from it or cancelled it. */
export function isDisturbed(stream: ByteStream): boolean {
  return Readable.isDisturbed(stream as unknown as Readable);
}

/** One piece. A copy: what a byte stream is given changes hands. */
export function streamOf(whole: string | Uint8Array): ByteStream {
  return new ReadableStream({
    type: "bytes",
    start(controller) {
      if (whole.length === 0) controller.close();
    },
    pull(controller) {
      controller.enqueue(new Uint8Array(typeof whole === "string" ? Buffer.from(whole) : whole));
      close(controller);
    },
  });
}

/** A piece is asked for when somebody reads, never ahead. */
export function streamFrom(source: BodySource): ByteStream {
  const stream: ByteStream = new ReadableStream({
    type: "bytes",
    async pull(controller) {
      let piece = await source.read();
      while (piece !== null && piece.length === 0) piece = await source.read();
      if (piece === null) close(controller);
      else controller.enqueue(ownMemory(piece));
    },
    cancel: () => source.cancel(),
  });
  if (source.length != null) noteLength(stream, source.length);
  return stream;
}

/** What a byte stream is given changes hands with all the memory that it looks into. */
function ownMemory(piece: Uint8Array): Uint8Array<ArrayBuffer> {
  const isWhole = piece.length === piece.buffer.byteLength;
  return isWhole && piece.buffer instanceof ArrayBuffer
    ? (piece as Uint8Array<ArrayBuffer>)
    : new Uint8Array(piece);
}

/** Whatever gives bytes or text one by one: a Node stream, an async generator. */
export function streamFromIterable(iterable: AsyncIterable<unknown>): ByteStream {
  let iterator: AsyncIterator<unknown>;
  return new ReadableStream({
    type: "bytes",
    start() {
      iterator = iterable[Symbol.asyncIterator]();
    },
    async pull(controller) {
      for (;;) {
        const { done, value } = await iterator.next();
        if (done === true) return close(controller);
        const piece = new Uint8Array(Buffer.from(value as string));
        if (piece.length > 0) return controller.enqueue(piece);
      }
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}

/** What a body leaves behind whose bytes were read without a stream. */
export function spentStream(): ByteStream {
  const stream = streamOf("");
  spend(stream);
  return stream;
}

/** Locked and disturbed from now on, as by a reader that reads to the end. */
export function spend(stream: ByteStream): void {
  stream.getReader().cancel().catch(ignore);
}

function ignore(): void {}

type Tee = (stream: ByteStream, cloneForSecond: boolean) => [ByteStream, ByteStream];
/** Not in the types of Node, and not in every Node. */
const tee: Tee | undefined = Reflect.get(web, "ReadableStreamTee");

/** Two streams of the same bytes, in memory of their own where Node can do that. */
export function teeStream(stream: ByteStream): [ByteStream, ByteStream] {
  return tee === undefined ? stream.tee() : tee(stream, true);
}

function close(controller: ReadableByteStreamController): void {
  controller.close();
  controller.byobRequest?.respond(0);
}

/** The reader keeps its lock, as the native classes' does. */
export async function readStream(stream: ByteStream): Promise<Uint8Array> {
  const reader = stream.getReader();
  const pieces: Uint8Array[] = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(pieces);
    if (!isUint8Array(value)) throw new TypeError("Received non-Uint8Array chunk");
    pieces.push(value);
  }
}

export async function readSource(source: BodySource): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (;;) {
    const piece = await source.read();
    if (piece === null) return Buffer.concat(pieces);
    pieces.push(piece);
  }
}
