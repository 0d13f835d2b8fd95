// What an app may give as the body of a Request or a Response, made a LightBody. VM processes.
import { isAnyArrayBuffer, isArrayBuffer } from "node:util/types";
import { LightBody } from "./body.ts";
import { type ByteStream, isDisturbed, streamFromIterable } from "./body-stream.ts";
import { isPlainField } from "./field-syntax.ts";
import { encodeFormData } from "./multipart.ts";

export interface TypedBody {
  readonly body: LightBody;
  /** The content type that goes with it, unless the app sets another. */
  readonly type: string | null;
  /** Known as a whole: not a stream. */
  readonly replayable: boolean;
}

const TEXT = "text/plain;charset=UTF-8";
const FORM = "application/x-www-form-urlencoded;charset=UTF-8";

/** `init` is neither null nor undefined. Throws TypeError for a stream that is in use. */
export function extractBody(init: unknown): TypedBody {
  if (typeof init === "string") return { body: LightBody.of(init), type: TEXT, replayable: true };
  if (typeof init === "object" && init !== null) {
    const bytes = bytesOf(init);
    if (bytes !== null) return { body: LightBody.of(bytes), type: null, replayable: true };
    if (init instanceof URLSearchParams) {
      return { body: LightBody.of(init.toString()), type: FORM, replayable: true };
    }
    if (init instanceof ReadableStream) return { body: bodyOf(init), type: null, replayable: false };
    if (Reflect.get(init, Symbol.asyncIterator)) {
      return { body: bodyOf(init as AsyncIterable<unknown>), type: null, replayable: false };
    }
    if (init instanceof Blob) {
      return { body: LightBody.ofStream(init.stream()), type: typeOf(init), replayable: true };
    }
    if (isFormData(init)) {
      const { body, type } = encodeFormData(init);
      return { body: LightBody.ofStream(body.stream()), type, replayable: true };
    }
  }
  if (typeof init === "symbol") {
    throw new TypeError("Response: body is a symbol, which cannot be converted to a DOMString.");
  }
  return { body: LightBody.of(String(init)), type: TEXT, replayable: true };
}

/** An app's own kind of Blob may say anything. */
function typeOf(blob: Blob): string | null {
  const { type } = blob;
  return type !== "" && isPlainField("content-type", type) ? type : null;
}

/** A copy, since the app may change its own afterwards; null for what is no bytes. */
function bytesOf(init: object): Uint8Array | null {
  if (ArrayBuffer.isView(init)) {
    return isArrayBuffer(init.buffer)
      ? new Uint8Array(new Uint8Array(init.buffer, init.byteOffset, init.byteLength))
      : null;
  }
  if (!isAnyArrayBuffer(init) || !isArrayBuffer(init)) return null;
  return init.detached ? new Uint8Array(0) : new Uint8Array(init.slice(0));
}

function bodyOf(source: ByteStream | AsyncIterable<unknown>): LightBody {
  const stream = source instanceof ReadableStream ? source : null;
  if (stream !== null ? stream.locked || isDisturbed(stream) : isDisturbed(source as ByteStream)) {
    throw new TypeError("Response body object should not be disturbed or locked");
  }
  return LightBody.ofStream(stream ?? streamFromIterable(source as AsyncIterable<unknown>));
}

/** `instanceof FormData` would load the native classes. */
function isFormData(init: object): init is FormData {
  return Object.prototype.toString.call(init) === "[object FormData]";
}
