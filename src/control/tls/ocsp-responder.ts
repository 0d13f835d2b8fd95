// Asks an OCSP responder over HTTP (RFC 6960 appendix A), with bounds on time and size. Control thread.

import { type IncomingMessage, request } from "node:http";

const MAX_ANSWER_BYTES = 64 * 1024;

/** Rejects with an error in words. */
export async function askResponder(url: string, body: Buffer, timeoutMs: number): Promise<Buffer> {
  const signal = AbortSignal.timeout(timeoutMs);
  const headers = { "Content-Type": "application/ocsp-request", "Content-Length": body.length };
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request(url, { method: "POST", headers, signal, agent: false }, resolve).on("error", reject).end(body);
    });
    if (response.statusCode !== 200) {
      response.destroy();
      throw new Error(`it answers with ${response.statusCode}`);
    }
    const pieces: Buffer[] = [];
    let length = 0;
    for await (const piece of response as AsyncIterable<Buffer>) {
      length += piece.length;
      if (length > MAX_ANSWER_BYTES) throw new Error(`its answer is longer than ${MAX_ANSWER_BYTES} bytes`);
      pieces.push(piece);
    }
    return Buffer.concat(pieces);
  } catch (error) {
    throw signal.aborted ? new Error(`no answer within ${timeoutMs} ms`) : error;
  }
}
