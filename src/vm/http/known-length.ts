// How long the bodies are that come as streams from the link: who passes one on can say so. VM processes.

const lengths = new WeakMap<ReadableStream, number>();

export function noteLength(stream: ReadableStream, length: number): void {
  lengths.set(stream, length);
}

/** Null for a stream that was made by an app, or that nobody knows the length of. */
export function lengthOf(stream: ReadableStream): number | null {
  return lengths.get(stream) ?? null;
}

const CONTENT_LENGTH = /^content-length:.*\r\n/gim;

/** What an app copies from another message says how long that one was: it goes, whatever it is. */
export function withLength(headerLines: string, length: number | null): string {
  const lines = headerLines.replace(CONTENT_LENGTH, "");
  return length === null ? lines : `${lines}content-length: ${length}\r\n`;
}

const SAID = /^content-length: (\d+)\r?$/im;

/** What header fields say; null where they say nothing. */
export function saidLength(headerLines: string): number | null {
  const found = SAID.exec(headerLines);
  return found === null ? null : Number(found[1]);
}
