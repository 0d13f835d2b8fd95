// Bodies that fetch() has decoded although their header fields still name an encoding. VM processes.

const decoded = new WeakSet<ReadableStream>();

/** `response` came from the native fetch(), which decodes whatever has a body and names an encoding. */
export function noteDecoded(response: Response): void {
  if (response.body !== null && response.headers.has("content-encoding")) decoded.add(response.body);
}

export function wasDecoded(body: ReadableStream): boolean {
  return decoded.has(body);
}
