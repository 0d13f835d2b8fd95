// text(), json() and their like, for the light Request and Response. VM processes.
import type { LightBody, Whole } from "./body.ts";
import { nativeClasses } from "./native.ts";

/** Where the methods find what they read. Throws TypeError for an object of another kind. */
export interface BodyAccess {
  body(message: object): LightBody | null;
  contentType(message: object): string | null;
}

export interface BodyMethods {
  blob(): Promise<Blob>;
  arrayBuffer(): Promise<ArrayBuffer>;
  text(): Promise<string>;
  json(): Promise<unknown>;
  formData(): Promise<FormData>;
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
  textStream(): ReadableStream<string>;
}

/** A type that a Blob takes as it stands: nothing to parse. */
const PLAIN_TYPE = /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+$/;
const BYTE_ORDER_MARK = 0xfeff;

const decoder = new TextDecoder();

export function bodyMethods(access: BodyAccess): BodyMethods {
  function read<T>(message: object, convert: (whole: Whole) => T): Promise<T> {
    try {
      const body = access.body(message);
      return body === null ? Promise.resolve(convert("")) : body.read(convert);
    } catch (error) {
      return Promise.reject(error);
    }
  }
  return {
    async blob() {
      const bytes = await read(this, bytesOf);
      const type = access.contentType(this) ?? "";
      if (type === "" || PLAIN_TYPE.test(type)) return new Blob([bytes], { type });
      return (await nativeMessage(bytes, type)).blob();
    },
    arrayBuffer() {
      return read(this, arrayBufferOf);
    },
    text() {
      return read(this, textOf);
    },
    json() {
      return read(this, jsonOf);
    },
    async formData() {
      const bytes = await read(this, bytesOf);
      return (await nativeMessage(bytes, access.contentType(this))).formData();
    },
    bytes() {
      return read(this, bytesOf);
    },
    textStream() {
      const body = access.body(this);
      if (body === null) {
        return new ReadableStream<string>({ start: (controller) => controller.close() });
      }
      if (body.unusable) throw new TypeError("Body is unusable: Body has already been read");
      return body.stream.pipeThrough(
        new TextDecoderStream() as unknown as TransformStream<Uint8Array, string>,
      );
    },
  };
}

async function nativeMessage(bytes: Uint8Array<ArrayBuffer>, type: string | null): Promise<Response> {
  const { Response } = await nativeClasses();
  return new Response(bytes, type === null ? {} : { headers: { "content-type": type } });
}

function textOf(whole: Whole): string {
  if (typeof whole !== "string") return decoder.decode(whole);
  const text = whole.toWellFormed();
  return text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
}

function jsonOf(whole: Whole): unknown {
  return JSON.parse(textOf(whole));
}

function bytesOf(whole: Whole): Uint8Array<ArrayBuffer> {
  return new Uint8Array(typeof whole === "string" ? Buffer.from(whole) : whole);
}

function arrayBufferOf(whole: Whole): ArrayBuffer {
  return bytesOf(whole).buffer;
}
