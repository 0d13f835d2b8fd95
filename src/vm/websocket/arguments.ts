// What apps pass to the methods of a WebSocket. VM processes.

/** Longest reason of a close frame (RFC 6455 section 5.5). */
const MAX_REASON_BYTES = 123;

/** A copy: the app may go on writing to its own. Throws TypeError. */
export function bytesOf(message: unknown): Uint8Array<ArrayBuffer> {
  if (message instanceof ArrayBuffer || message instanceof SharedArrayBuffer)
    return new Uint8Array(new Uint8Array(message));
  if (ArrayBuffer.isView(message)) {
    const { buffer, byteOffset, byteLength } = message;
    return new Uint8Array(new Uint8Array(buffer, byteOffset, byteLength));
  }
  throw new TypeError(
    `Cannot send ${describe(message)} on a WebSocket: expected a string, an ArrayBuffer or a view of one`,
  );
}

/** Throws TypeError for codes that no close frame may have (RFC 6455 section 7.4). */
export function needCloseCode(code: unknown): number {
  const number = Number(code);
  const isKnown = number >= 1000 && number <= 1014 && ![1004, 1005, 1006].includes(number);
  if (Number.isInteger(number) && (isKnown || (number >= 3000 && number <= 4999))) return number;
  throw new TypeError(
    `Cannot close a WebSocket with code ${describe(code)}: expected 1000 to 1003, 1007 to 1014 or 3000 to 4999`,
  );
}

/** Throws a SyntaxError, as the web's does. */
export function needReason(reason: unknown): string {
  const text = reason === undefined ? "" : String(reason).toWellFormed();
  const bytes = Buffer.byteLength(text);
  if (bytes <= MAX_REASON_BYTES) return text;
  throw new DOMException(
    `Cannot close a WebSocket with a reason of ${bytes} bytes: expected at most ${MAX_REASON_BYTES}`,
    "SyntaxError",
  );
}

function describe(value: unknown): string {
  if (typeof value === "object" && value !== null) return `a ${value.constructor?.name ?? "object"}`;
  return String(value);
}
