// The native Response and Headers, which Node loads with their first use: 18 MB, and 20 ms or more of a start. So a VM
// touches them only for what has to be theirs: fetch(), multipart forms, WebAssembly. VM processes.

/** Node's own: the global may be ours by the time that it is called. */
export const nativeFetch: typeof fetch = globalThis.fetch;

export interface NativeClasses {
  readonly Response: typeof Response;
  readonly Headers: typeof Headers;
}

let classes: NativeClasses | null = null;

/**
 * By way of a response: to ask for the globals is not possible once others stand in their place, and to keep them
 * before would load them.
 */
export async function nativeClasses(): Promise<NativeClasses> {
  return classes ?? classesOf(await nativeFetch("data:,"));
}

/** `response` came from `nativeFetch`. */
export function classesOf(response: Response): NativeClasses {
  classes ??= {
    Response: response.constructor as typeof Response,
    Headers: response.headers.constructor as typeof Headers,
  };
  return classes;
}
