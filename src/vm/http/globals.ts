// Puts the light Request, Response and Headers in place of the native classes, in such a way that Node need not load
// those, and sees to it that what has to be native still takes the light ones. VM processes.
import { noteDecoded } from "./decoded.ts";
import { LightHeaders } from "./headers.ts";
import { classesOf, nativeFetch } from "./native.ts";
import { nativeArguments } from "./native-request.ts";
import { isLight, LightRequest } from "./request.ts";
import { LightResponse } from "./response.ts";
import { installWasmStreaming } from "./wasm-streaming.ts";

/** globalThis.Request, Response and Headers; fetch() and the streaming of WebAssembly, which take them. */
export function installGlobals(): void {
  expose("Headers", LightHeaders);
  expose("Request", LightRequest);
  expose("Response", LightResponse);
  globalThis.fetch = fetch as typeof globalThis.fetch;
  installWasmStreaming();
}

/** To define it over the native one would load that first; to delete does not. */
function expose(name: string, value: unknown): void {
  Reflect.deleteProperty(globalThis, name);
  Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
}

async function fetch(
  input: string | URL | LightRequest,
  init: RequestInit | undefined = undefined,
): Promise<Response> {
  const response = await (isLight(input)
    ? nativeFetch(...nativeArguments(init === undefined ? input : new LightRequest(input, init)))
    : nativeFetch(input, init));
  adopt(response);
  noteDecoded(response);
  return response;
}

/** From the first native response on, its class and that of its headers inherit from ours: `instanceof` holds. */
function adopt(response: Response): void {
  if (response instanceof LightResponse) return;
  const { Response, Headers } = classesOf(response);
  inherit(Response.prototype, LightResponse.prototype);
  inherit(Headers.prototype, LightHeaders.prototype);
}

function inherit(native: object, light: object): void {
  Object.setPrototypeOf(native, light);
  Reflect.deleteProperty(native, "constructor");
}
