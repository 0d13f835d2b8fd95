// What the schema cannot say: how the settings of a file must fit together. Works on the tree of the file, whose values
// may still be anything, so that these problems are found beside those of the schema and not after them. Runs anywhere.

import { readFileSync } from "node:fs";
import { isAddress } from "../core/ip.ts";
import { atKey, atValue, type Finding } from "./finding.ts";
import { type PathSegment, quote } from "./problem.ts";
import { nearest } from "./suggest.ts";
import type { SourceNode } from "./tree.ts";

type Findings = Generator<Finding, void>;

const ACTIONS = ["upstream", "split", "respond", "redirect"];
/** Settings that mean nothing unless a request is proxied. */
const PROXY_SETTINGS = [
  "mirror",
  "strip_prefix",
  "rewrite",
  "load_balancer",
  "protocols",
  "hash_key",
  "sticky",
  "retry",
  "timeouts",
];
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
  for (const rules of children.get("upstreams")?.children.values() ?? []) {
    const name = String(rules.path.at(-1));
    if (!upstreamNames(root).includes(name)) yield atKey(rules, unknownUpstream(root, name));
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
  for (const name of ["admin", "grpc"]) yield* adminProblems(children.get(name));
}

function* adminProblems(admin: SourceNode | undefined): Findings {
  const host = admin?.children.get("host");
  if (admin === undefined || typeof host?.value !== "string" || isLoopback(host.value)) return;
  if (admin.children.get("enabled")?.value === false) return;
  const open = admin.children.get("open");
  if (open?.value === true)
    yield atValue(open, `cannot use true with host ${quote(host.value)}: expected a loopback address`);
  else if (!admin.children.has("token"))
    yield atValue(
      host,
      `cannot use ${quote(host.value)} without "token": expected one, or a loopback address`,
    );
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (host.startsWith("127.") && isAddress(host));
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

/** The ways to name where a backend is. Exactly one of them is used. */
const PLACES = [["host", "port"], ["srv"], ["socket"]];

function* backendProblems(backend: SourceNode): Findings {
  if (!isMapping(backend)) return;
  const used = PLACES.filter((place) => place.some((name) => backend.children.has(name)));
  const [first, ...others] = [...used].reverse();
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
  const socket = backend.children.get("socket");
  if (typeof socket?.value === "string" && Buffer.byteLength(socket.value) > MAX_SOCKET_PATH_BYTES) {
    const message = `cannot use ${quote(socket.value)}: expected a path of at most ${MAX_SOCKET_PATH_BYTES} bytes`;
    yield atValue(socket, message);
  }
  yield* tlsProblems(backend);
}

function* tlsProblems(backend: SourceNode): Findings {
  const tls = backend.children.get("tls");
  if (tls === undefined) return;
  if (backend.children.get("scheme")?.value !== "https")
    yield atKey(tls, 'cannot use "tls" without "scheme: https": nothing is encrypted here');
  for (const [one, other] of [
    ["cert_file", "key_file"],
    ["key_file", "cert_file"],
  ] as const) {
    const setting = tls.children.get(one);
    if (setting !== undefined && !tls.children.has(other))
      yield atKey(setting, `cannot use "${one}" without "${other}"`);
  }
  for (const name of ["ca_file", "cert_file", "key_file"]) {
    const file = tls.children.get(name);
    const fault = typeof file?.value === "string" && !file.broken ? pemFault(file.value, name) : null;
    if (fault !== null) yield atValue(file!, `cannot use ${quote(file!.value)}: ${fault}`);
  }
}

/** What is wrong with a PEM file, or null. */
function pemFault(file: string, setting: string): string | null {
  const wanted = setting === "key_file" ? "PRIVATE KEY" : "CERTIFICATE";
  try {
    const text = readFileSync(file, "utf8");
    return text.includes(`${wanted}-----`) ? null : `expected a PEM file with a ${wanted}`;
  } catch (error) {
    return `cannot read the file: ${(error as NodeJS.ErrnoException).code ?? String(error)}`;
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

/** The upstreams that a route names: for its requests, for shares of them, or for copies. */
function* upstreamProblems(root: SourceNode, route: SourceNode): Findings {
  const mirror = route.children.get("mirror")?.children.get("upstream");
  for (const upstream of [route.children.get("upstream"), mirror]) {
    if (upstream === undefined || upstream.broken || typeof upstream.value !== "string") continue;
    if (!upstreamNames(root).includes(upstream.value))
      yield atValue(upstream, unknownUpstream(root, upstream.value));
  }
  const split = route.children.get("split");
  const to = split?.children.get("to");
  if (split === undefined || to === undefined || to.broken) return;
  const weights = [...to.children.values()];
  for (const weight of weights) {
    const name = String(weight.path.at(-1));
    if (!upstreamNames(root).includes(name)) yield atKey(weight, unknownUpstream(root, name));
  }
  if (weights.every(({ value }) => value === 0))
    yield atKey(to, "cannot split without weights: expected at least one above 0");
}

function upstreamNames(root: SourceNode): string[] {
  return [...(root.children.get("backends")?.children.keys() ?? [])].map(String);
}

function unknownUpstream(root: SourceNode, name: string): string {
  const meant = nearest(name, upstreamNames(root));
  const hint = meant === null ? "" : `: did you mean ${quote(meant)}?`;
  return `cannot use ${quote(name)}: expected the name of an upstream in "backends"${hint}`;
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
  readonly srv?: string | undefined;
  readonly socket?: string | undefined;
}

/** The id of a backend that was given none. */
export function defaultId(upstream: string, { host, port, srv, socket }: BackendAddress): string {
  return `${upstream}-${socket ?? srv ?? `${host}-${port}`}`;
}

/** Null where the backend is so wrong that it has none. */
function idOf(upstream: PathSegment, backend: SourceNode): string | null {
  const textOf = (name: string) => backend.children.get(name)?.value;
  const id = backend.children.get("id");
  if (id !== undefined) return typeof id.value === "string" && !id.broken ? id.value : null;
  for (const name of ["socket", "srv"]) {
    const value = textOf(name);
    if (typeof value === "string") return defaultId(String(upstream), { [name]: value });
  }
  const [host, port] = [textOf("host"), textOf("port")];
  if (typeof host !== "string" || typeof port !== "number") return null;
  return defaultId(String(upstream), { host: host.toLowerCase(), port });
}

function isMapping(node: SourceNode): boolean {
  return typeof node.value === "object" && node.value !== null && !Array.isArray(node.value);
}

/** Whether one of the names is probably there, but misspelt: an unknown key was reported, so nothing is missing too. */
function hasMisspelt(node: SourceNode, names: readonly string[]): boolean {
  return [...node.children.keys()].some((key) => nearest(String(key), names) !== null);
}
