// How the settings of a backend must fit together, and to the other backends of its upstream. Runs anywhere.

import { atKey, atValue, type Findings } from "./finding.ts";
import type { PemFiles } from "./pem-files.ts";
import { type PathSegment, quote } from "./problem.ts";
import { hasMisspelt, isMapping, textOf } from "./settings.ts";
import type { SourceNode } from "./tree.ts";
import { host } from "./values.ts";

/** The ways to name where a backend is. Exactly one of them is used. */
const PLACES = [["host", "port"], ["srv"], ["socket"]];
/** `sun_path` of Linux without its closing NUL. */
const MAX_SOCKET_PATH_BYTES = 107;
/** Settings of a check that say something of its request or the answer. */
const REQUEST_SETTINGS = ["method", "host", "expect_status", "expect_body"];

/** `upstream` is the list of its backends. */
export function* upstreamProblems(upstream: SourceNode, files: PemFiles): Findings {
  if (!Array.isArray(upstream.value)) return;
  for (const backend of upstream.children.values()) {
    if (!isMapping(backend)) continue;
    yield* placeProblems(backend);
    yield* tlsProblems(backend, files);
    yield* protocolProblems(backend);
    yield* checkProblems(backend);
  }
  yield* idProblems(upstream);
}

function* placeProblems(backend: SourceNode): Findings {
  const used = PLACES.filter((place) => place.some((name) => backend.children.has(name)));
  const [first, ...others] = used.reverse();
  if (first === undefined) {
    if (!hasMisspelt(backend, PLACES.flat()))
      yield atValue(backend, 'missing key "host" and "port": expected both, or "srv", or "socket"');
  } else if (others.length > 0) {
    for (const name of others.flat()) {
      const setting = backend.children.get(name);
      if (setting === undefined) continue;
      yield atKey(setting, `cannot use "${name}" beside "${first[0]}": expected one or the other`);
    }
  } else {
    const missing = first.filter((name) => !backend.children.has(name) && !hasMisspelt(backend, [name]));
    for (const name of missing)
      yield atValue(backend, `missing key "${name}": expected "host" and "port", or "srv", or "socket"`);
  }
  const socket = textOf(backend, "socket");
  if (socket !== null && Buffer.byteLength(socket) > MAX_SOCKET_PATH_BYTES) {
    const message = `cannot use ${quote(socket)}: expected a path of at most ${MAX_SOCKET_PATH_BYTES} bytes`;
    yield atValue(backend.children.get("socket")!, message);
  }
}

function* tlsProblems(backend: SourceNode, files: PemFiles): Findings {
  const tls = backend.children.get("tls");
  if (tls === undefined) return;
  const scheme = backend.children.get("scheme");
  if (scheme?.value !== "https" && scheme?.broken !== true)
    yield atKey(tls, 'cannot use "tls" without "scheme: https": nothing is encrypted here');
  for (const [one, other] of [
    ["cert_file", "key_file"],
    ["key_file", "cert_file"],
  ] as const) {
    const setting = tls.children.get(one);
    if (setting !== undefined && !tls.children.has(other))
      yield atKey(setting, `cannot use "${one}" without "${other}": expected both or neither`);
  }
  for (const name of ["ca_file", "cert_file", "key_file"]) {
    const file = textOf(tls, name);
    if (file === null) continue;
    const fault = files.fault(file, name === "key_file" ? "PRIVATE KEY" : "CERTIFICATE");
    if (fault !== null) yield atValue(tls.children.get(name)!, `cannot use ${quote(file)}: ${fault}`);
  }
}

function* protocolProblems(backend: SourceNode): Findings {
  const proxied = backend.children.get("proxy_protocol");
  if (proxied !== undefined && textOf(backend, "protocol") === "h2")
    yield atKey(
      proxied,
      'cannot use "proxy_protocol" with "protocol: h2": one connection carries many clients',
    );
}

function* checkProblems(backend: SourceNode): Findings {
  const check = backend.children.get("health_check");
  if (check === undefined || !isMapping(check)) return;
  const body = check.children.get("expect_body");
  const grpc = check.children.get("grpc");
  if (grpc !== undefined) {
    if (textOf(backend, "protocol") !== "h2")
      yield atKey(grpc, 'cannot use "grpc" without "protocol: h2": gRPC is HTTP/2');
    for (const name of ["path", ...REQUEST_SETTINGS]) {
      const setting = check.children.get(name);
      if (setting !== undefined && name !== "host")
        yield atKey(setting, `cannot use "${name}" beside "grpc": what is asked and expected is settled`);
    }
  } else if (!check.children.has("path") && !hasMisspelt(check, ["path"])) {
    for (const name of REQUEST_SETTINGS) {
      const setting = check.children.get(name);
      if (setting === undefined) continue;
      yield atKey(setting, `cannot use "${name}" without "path": a check only connects here`);
    }
  } else if (body !== undefined && textOf(check, "method") === "HEAD") {
    yield atKey(body, 'cannot use "expect_body" with "method: HEAD": its answer has no body');
  }
  const port = check.children.get("port");
  if (port !== undefined && backend.children.has("socket"))
    yield atKey(port, 'cannot use "port" beside "socket": a socket has none');
}

function* idProblems(upstream: SourceNode): Findings {
  const seen = new Set<string>();
  for (const backend of upstream.children.values()) {
    const id = idOf(upstream.path.at(-1)!, backend);
    if (id !== null && seen.has(id)) {
      const message = `cannot use the id ${quote(id)} again: expected one that no other backend of the upstream has`;
      yield atValue(backend.children.get("id") ?? backend, message);
    }
    if (id !== null) seen.add(id);
  }
}

export interface BackendAddress {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly srv?: string | undefined;
  readonly socket?: string | undefined;
}

/** The id of a backend that was given none. */
export function defaultId(upstream: string, { host, port, srv, socket }: BackendAddress): string {
  return `${upstream}-${socket ?? srv ?? `${host}-${port}`}`;
}

/** Null where the backend is so wrong that it has none. */
function idOf(upstream: PathSegment, backend: SourceNode): string | null {
  if (backend.children.has("id")) return textOf(backend, "id");
  for (const name of ["socket", "srv"]) {
    const text = textOf(backend, name);
    if (text !== null) return defaultId(String(upstream), { [name]: text });
  }
  const { data: address } = host().safeParse(textOf(backend, "host"));
  const port = backend.children.get("port")?.value;
  if (address === undefined || typeof port !== "number") return null;
  return defaultId(String(upstream), { host: address, port });
}
