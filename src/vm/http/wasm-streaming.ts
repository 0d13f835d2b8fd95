// WebAssembly.compileStreaming() and instantiateStreaming() for a light Response. VM processes.
import { nativeClasses } from "./native.ts";
import { bodyOf, isLight } from "./response.ts";

type Streaming = (source: unknown, ...rest: unknown[]) => Promise<unknown>;

export function installWasmStreaming(): void {
  const assembly = Reflect.get(globalThis, "WebAssembly") as Record<string, Streaming>;
  for (const name of ["compileStreaming", "instantiateStreaming"]) {
    const native = assembly[name];
    if (native === undefined) continue;
    assembly[name] = (source, ...rest) => native(nativeResponse(source), ...rest);
  }
}

async function nativeResponse(source: unknown): Promise<unknown> {
  const response = await source;
  if (typeof response !== "object" || response === null || !isLight(response)) return response;
  const { Response } = await nativeClasses();
  const { status, statusText } = response;
  const body = (bodyOf(response)?.take() ?? null) as ConstructorParameters<typeof Response>[0];
  return new Response(body, { status, statusText, headers: [...response.headers] });
}
