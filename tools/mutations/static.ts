// Guards of static files: where they may be, what is sent of them, and what they may take of the gateway.

import type { Mutation } from "./mutation.ts";

const FILES = ["src/data/static/file-system.test.ts"];
const PATHS = ["src/data/static/file-path.test.ts"];
const CONDITIONS = ["src/data/static/conditions.test.ts"];
const RANGES = ["src/data/static/ranges.test.ts"];
const PARTS = ["test/static/parts.test.ts"];
const SERVING = ["test/static/serving.test.ts"];
const SETTINGS = ["test/static/settings.test.ts"];
const CHANGES = ["test/static/changes.test.ts"];
const LIMITS = ["test/static/limits.test.ts"];

const fileSystem = "src/data/static/file-system.ts";
const filePath = "src/data/static/file-path.ts";
const conditions = "src/data/static/conditions.ts";
const ranges = "src/data/static/ranges.ts";
const lookUp = "src/data/static/look-up.ts";
const site = "src/data/static/site.ts";
const stream = "src/data/static/file-stream.ts";
const sendFile = "src/data/static/send-file.ts";

export const STATIC_MUTATIONS: readonly Mutation[] = [
  // ---- where files may be ----
  {
    name: "a file is where its link leads, and that is below the root",
    file: fileSystem,
    find: "if (place !== null && isBelow(place, await realpath(root))) return opened;",
    replace: "if (place !== null) return opened;",
    tests: FILES,
  },
  {
    name: "an open file is asked where it is, not its path",
    file: fileSystem,
    find: "return await readlink(",
    replace: "if (fd >= 0) return path;\n    return await readlink(",
    tests: FILES,
  },
  {
    name: "a folder with the same beginning is not below the root",
    file: fileSystem,
    find: "return place === root || place.startsWith(",
    replace: "return place.startsWith(root) || place.startsWith(",
    tests: FILES,
  },
  {
    name: "only the very file that was found before is trusted",
    file: fileSystem,
    find: "if (trusted !== null && stampOf(stats) === trusted) return { fd, stats };",
    replace: "if (trusted !== null) return { fd, stats };",
    tests: FILES,
  },
  {
    name: "only regular files are served",
    file: fileSystem,
    find: "if (!stats.isFile()) return null;",
    replace: "if (stats.isDirectory()) return null;",
    tests: FILES,
  },
  {
    name: "a FIFO is not waited for",
    file: fileSystem,
    find: "constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)",
    replace: "constants.O_RDONLY",
    tests: FILES,
  },
  {
    name: "what is opened and not served is closed",
    file: fileSystem,
    find: "if (judged === null || judged instanceof GatewayError) closeFile(fd);",
    replace: "if (judged === null) closeFile(fd);",
    tests: FILES,
  },
  {
    name: "a folder outside is neither listed nor redirected to",
    file: fileSystem,
    find: "return opened.stats.isDirectory() ? await whereItIs(path, opened, root) : null;",
    replace: "return opened.stats.isDirectory() ? opened : null;",
    tests: SETTINGS,
  },
  {
    name: "an encoded slash is in no name",
    file: filePath,
    find: 'if (path.includes("%2F")) return null;',
    replace: "",
    tests: PATHS,
  },
  {
    name: "no dot segment, backslash or NUL, whatever the path came through",
    file: filePath,
    find: 'return path.startsWith("/") && !DANGEROUS.test(path);',
    replace: 'return path.startsWith("/");',
    tests: PATHS,
  },
  {
    name: "a decoded path is looked at again",
    file: filePath,
    find: "return isSound(decoded) ? decoded : null;",
    replace: "return decoded;",
    tests: PATHS,
  },
  {
    name: "dotfiles are not served",
    file: site,
    find: "if (decoded === null || (!dotfiles && isHidden(decoded)))",
    replace: "if (decoded === null)",
    tests: SERVING,
  },
  {
    name: ".well-known is an ordinary name at the root only",
    file: filePath,
    find: 'HIDDEN.test(path) || path.lastIndexOf("/.") > 0',
    replace: "HIDDEN.test(path)",
    tests: PATHS,
  },
  {
    name: "that a link leads out is not told to the client",
    file: site,
    find: "found = nothing(place.path, false);",
    replace: "",
    tests: SETTINGS,
  },
  {
    name: "names in a listing are text",
    file: "src/data/static/listing.ts",
    find: "ESCAPES[character]!",
    replace: "character",
    tests: ["src/data/static/listing.test.ts"],
  },
  {
    name: "only GET and HEAD are for files",
    file: "src/data/actions/static.ts",
    find: 'if (method !== "GET" && method !== "HEAD") refuseMethod(exchange);',
    replace: 'if (method === "OPTIONS") refuseMethod(exchange);',
    tests: SERVING,
  },
  // ---- conditions and ranges ----
  {
    name: "If-Match takes no weak tag",
    file: conditions,
    find: "if (tag === etag && (weak || isWeak === undefined)) return true;",
    replace: "if (tag === etag) return true;",
    tests: CONDITIONS,
  },
  {
    name: "If-None-Match comes before If-Modified-Since",
    file: conditions,
    find: "return hasTag(ifNoneMatch, etag, true) ? 304 : null;",
    replace: "if (hasTag(ifNoneMatch, etag, true)) return 304;",
    tests: CONDITIONS,
  },
  {
    name: "If-Range is about this very version",
    file: conditions,
    find: "return ifRange === etag;",
    replace: "return true;",
    tests: CONDITIONS,
  },
  {
    name: "a fresh date is a weak validator",
    file: conditions,
    find: " && wallMs - modifiedMs >= STRONG_AFTER_MS",
    replace: "",
    tests: CONDITIONS,
  },
  {
    name: "conditions are looked at, of files in memory too",
    file: sendFile,
    find: "if ((isHead || body !== null) && !isConditional(request.headers)) {",
    replace: "if (isHead || body !== null) {",
    tests: PARTS,
  },
  {
    name: "a bounded number of ranges",
    file: ranges,
    find: "if (specs.length > MAX_RANGES) return null;",
    replace: "",
    tests: RANGES,
  },
  {
    name: "no more bytes in ranges than the file has",
    file: ranges,
    find: "return isEmpty || total > size ? null : ranges;",
    replace: "return isEmpty ? null : ranges;",
    tests: RANGES,
  },
  {
    name: "a range ends with the file",
    file: ranges,
    find: "Math.min(Number(last) + 1, size)",
    replace: "Number(last) + 1",
    tests: RANGES,
  },
  {
    name: "HEAD has no ranges",
    file: sendFile,
    find: 'const range = method === "GET" ? headers.join(Field.range) : null;',
    replace: "const range = method === '' ? null : headers.join(Field.range);",
    tests: PARTS,
  },
  {
    name: "an answer that depends on Accept-Encoding says so",
    file: lookUp,
    find: 'vary: neighbours.length === 0 ? vary : [vary, "Accept-Encoding"].filter(Boolean).join(", "),',
    replace: "vary,",
    tests: SETTINGS,
  },
  {
    name: "the page of an application is for browsers that open an address",
    file: "src/data/actions/static.ts",
    find: "return accept !== null && PAGE.test(accept);",
    replace: "return accept !== null;",
    tests: SETTINGS,
  },
  // ---- changes ----
  {
    name: "what was found is looked at again",
    file: site,
    find: "if (place === undefined || place.validUntil <= deadlines.now) return null;",
    replace: "if (place === undefined || place.found === null) return null;",
    tests: CHANGES,
  },
  {
    name: "every neighbour is looked at again, those that were not there too",
    file: lookUp,
    find: "else this.#saw(this.#at(path + EXTENSIONS[encoding]), stampOf(stats));",
    replace: "",
    tests: ["src/data/static/look-up.test.ts"],
  },
  {
    name: "a file that has just changed is read again",
    file: lookUp,
    find: 'return age < TOO_FRESH_NS ? "changing" : stampOf(stats);',
    replace: 'return age < -TOO_FRESH_NS ? "changing" : stampOf(stats);',
    tests: ["src/data/static/look-up.test.ts"],
  },
  {
    name: "a file that changed since it was looked up is described anew",
    file: sendFile,
    find: "const isSame = stampOf(stats) === form.stamp;",
    replace: "const isSame = form.stamp !== '';",
    tests: CHANGES,
  },
  {
    name: "a file that became shorter is broken off",
    file: stream,
    find: "else if (bytes === 0) {",
    replace: "else if (bytes === -1) {",
    tests: CHANGES,
  },
  {
    name: "no more is sent of a file than was promised",
    file: stream,
    find: "const length = Math.min(rest, this.#buffer.length);",
    replace: "const length = rest < 0 ? rest : this.#buffer.length;",
    tests: CHANGES,
  },
  // ---- what files take of the gateway ----
  {
    name: "a file is read at the pace of the client",
    file: stream,
    find: "    if (flows) this.#goOn();",
    replace: "    if (flows || bytes > 0) this.#goOn();",
    tests: LIMITS,
  },
  {
    name: "what is lent to a slow client is not read into",
    file: stream,
    find: "else this.#waitingSince = this.#site.thread.deadlines.now;",
    replace: "else setImmediate(() => { this.#waitingSince = 0; this.onClientDrain(); });",
    tests: LIMITS,
  },
  {
    name: "the file of a client that went is closed",
    file: stream,
    find: "    if (this.#waitingSince >= 0) this.#buffer = null;\n    this.#letGo();",
    replace: "    if (this.#waitingSince >= 0) this.#buffer = null;",
    tests: LIMITS,
  },
  {
    name: "a client that takes some of a long piece is seen to do so",
    file: "src/data/socket.ts",
    find: "return socket.writableLength + (handle?.writeQueueSize ?? 0);",
    replace: "return socket.writableLength + (handle === null ? 1 : 0);",
    tests: ["src/data/socket.test.ts"],
  },
  {
    name: "what does not fit into memory goes",
    file: "src/data/static/file-cache.ts",
    find: "while (this.#bytes > this.#maxBytes && this.#oldest !== null) {",
    replace: "while (this.#bytes > 2 * this.#maxBytes && this.#oldest !== null) {",
    tests: ["src/data/static/file-cache.test.ts"],
  },
  {
    name: "a failure to open is not remembered",
    file: site,
    find: 'if (found.kind === "failed") {',
    replace: 'if (found.kind === "failed" && place.path === "") {',
    tests: LIMITS,
  },
];
