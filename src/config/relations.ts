// What the schema cannot say: how the settings of a file must fit together. Works on the tree of the file, whose values
// may still be anything, so that these problems are found beside those of the schema and not after them. Runs anywhere.

import { atKey, atValue, type Finding } from "./finding.ts";
import { type PathSegment, quote } from "./problem.ts";
import { nearest } from "./suggest.ts";
import type { SourceNode } from "./tree.ts";

type Findings = Generator<Finding, void>;

const ACTIONS = ["upstream", "respond", "redirect"];
/** Settings that mean nothing unless a request is proxied. */
const PROXY_SETTINGS = ["strip_prefix", "rewrite", "load_balancer", "protocols", "timeouts"];
const BODYLESS: readonly unknown[] = [204, 205, 304];
/** `sun_path` of Linux without its closing NUL. */
const MAX_SOCKET_PATH_BYTES = 107;

export function* relationProblems(root: SourceNode): Findings {
  const { children } = root;
  yield* listenerProblems(children.get("server"));
  const tls = children.get("ssl")?.children.get("enabled");
  if (tls?.value === true) {
    yield atValue(tls, "cannot use true: TLS is not available yet: expected false");
  }
  for (const upstream of children.get("backends")?.children.values() ?? []) {
    for (const backend of upstream.children.values()) yield* backendProblems(backend);
    yield* idProblems(upstream);
  }
  for (const route of children.get("routing")?.children.values() ?? []) {
    yield* actionProblems(route);
    yield* upstreamProblems(root, route);
    yield* bodyProblems(route);
  }
  const grpc = children.get("grpc");
  if (grpc !== undefined && children.has("admin")) {
    yield atKey(grpc, 'cannot use "grpc" beside "admin": it is the older name of the same section');
  }
}

function* listenerProblems(server: SourceNode | undefined): Findings {
  const listeners = server?.children.get("listeners");
  if (listeners === undefined) return;
  for (const name of ["host", "port"]) {
    const setting = server?.children.get(name);
    if (setting === undefined) continue;
    yield atKey(setting, `cannot use "${name}" beside "listeners": expected one or the other`);
  }
  const seen = new Set<string>();
  for (const listener of listeners.children.values()) {
    const host = listener.children.get("host")?.value;
    const port = listener.children.get("port")?.value;
    if (typeof host !== "string" || typeof port !== "number" || port === 0) continue;
    const address = `${quote(host)}, port ${port}`;
    if (seen.has(address)) yield atValue(listener, `cannot listen twice on ${address}`);
    seen.add(address);
  }
}

function* backendProblems(backend: SourceNode): Findings {
  if (!isMapping(backend)) return;
  const socket = backend.children.get("socket");
  const missing: string[] = [];
  for (const name of ["host", "port"]) {
    const setting = backend.children.get(name);
    if (socket !== undefined && setting !== undefined) {
      yield atKey(setting, `cannot use "${name}" beside "socket": expected one or the other`);
    } else if (socket === undefined && setting === undefined && !hasMisspelt(backend, [name, "socket"])) {
      missing.push(`"${name}"`);
    }
  }
  if (missing.length > 0) {
    yield atValue(backend, `missing key ${missing.join(" and ")}: expected "host" and "port", or "socket"`);
  }
  if (typeof socket?.value === "string" && Buffer.byteLength(socket.value) > MAX_SOCKET_PATH_BYTES) {
    const message = `cannot use ${quote(socket.value)}: expected a path of at most ${MAX_SOCKET_PATH_BYTES} bytes`;
    yield atValue(socket, message);
  }
  const scheme = backend.children.get("scheme");
  if (scheme?.value === "https") {
    yield atValue(scheme, 'cannot use "https": TLS to backends is not available yet: expected "http"');
  }
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

function* actionProblems(route: SourceNode): Findings {
  if (!isMapping(route)) return;
  const [first, ...others] = ACTIONS.flatMap((name) => route.children.get(name) ?? []);
  if (first === undefined) {
    if (hasMisspelt(route, ACTIONS)) return;
    yield atKey(route, `missing action: expected exactly one of ${ACTIONS.join(", ")}`);
    return;
  }
  for (const other of others) {
    const both = `cannot use "${other.path.at(-1)}" beside "${first.path.at(-1)}"`;
    yield atKey(other, `${both}: expected exactly one of ${ACTIONS.join(", ")}`);
  }
  if (route.children.has("upstream")) return;
  for (const name of PROXY_SETTINGS) {
    const setting = route.children.get(name);
    if (setting === undefined) continue;
    yield atKey(setting, `cannot use "${name}" without "upstream": nothing is proxied here`);
  }
}

function* upstreamProblems(root: SourceNode, route: SourceNode): Findings {
  const upstream = route.children.get("upstream");
  if (upstream === undefined || upstream.broken || typeof upstream.value !== "string") return;
  const upstreams = root.children.get("backends")?.children;
  if (upstreams?.has(upstream.value)) return;
  const names = [...(upstreams?.keys() ?? [])].map(String);
  const meant = nearest(upstream.value, names);
  const hint = meant === null ? "" : `: did you mean ${quote(meant)}?`;
  const message = `cannot use ${quote(upstream.value)}: expected the name of an upstream in "backends"${hint}`;
  yield atValue(upstream, message);
}

function* bodyProblems(route: SourceNode): Findings {
  const respond = route.children.get("respond")?.children;
  const body = respond?.get("body");
  const status = respond?.get("status")?.value;
  if (body === undefined || body.value === "" || !BODYLESS.includes(status)) return;
  yield atKey(body, `cannot send a body with status ${status}: expected none`);
}

export interface BackendAddress {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly socket?: string | undefined;
}

/** The id of a backend that was given none. */
export function defaultId(upstream: string, { host, port, socket }: BackendAddress): string {
  return socket === undefined ? `${upstream}-${host}-${port}` : `${upstream}-${socket}`;
}

/** Null where the backend is so wrong that it has none. */
function idOf(upstream: PathSegment, backend: SourceNode): string | null {
  const [id, host, port, socket] = ["id", "host", "port", "socket"].map((name) => backend.children.get(name));
  if (id !== undefined) return typeof id.value === "string" && !id.broken ? id.value : null;
  if (typeof socket?.value === "string") return defaultId(String(upstream), { socket: socket.value });
  if (typeof host?.value !== "string" || typeof port?.value !== "number") return null;
  return defaultId(String(upstream), { host: host.value.toLowerCase(), port: port.value });
}

function isMapping(node: SourceNode): boolean {
  return typeof node.value === "object" && node.value !== null && !Array.isArray(node.value);
}

/** Whether one of the names is probably there, but misspelt: an unknown key was reported, so nothing is missing too. */
function hasMisspelt(node: SourceNode, names: readonly string[]): boolean {
  return [...node.children.keys()].some((key) => nearest(String(key), names) !== null);
}
