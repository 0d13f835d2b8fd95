// Guards of the light Request, Response and Headers of VMs.

import type { Mutation } from "./mutation.ts";

const body = "src/vm/http/body.ts";
const bodyStream = "src/vm/http/body-stream.ts";
const bodyInit = "src/vm/http/body-init.ts";
const fieldSyntax = "src/vm/http/field-syntax.ts";
const fieldText = "src/vm/http/field-text.ts";
const headers = "src/vm/http/headers.ts";
const parts = "src/vm/http/response-parts.ts";
const responseInit = "src/vm/http/response-init.ts";
const nativeRequest = "src/vm/http/native-request.ts";
const globals = "src/vm/http/globals.ts";
const requestUrl = "src/vm/http/request-url.ts";
const SAME = ["test/vm/http/same-as-native.test.ts"];
const HEADERS = ["src/vm/http/headers.test.ts"];
const SOURCE = ["src/vm/http/body-source.test.ts"];
const PARTS = ["src/vm/http/response-parts.test.ts"];
const FETCH = ["test/vm/http/fetch.test.ts"];

export const VM_HTTP_MUTATIONS: readonly Mutation[] = [
  {
    name: "a field value holds no CR, LF or NUL",
    file: fieldSyntax,
    find: "if (!FORBIDDEN.test(text)) return [nameText, text];",
    replace: "return [nameText, text];",
    tests: HEADERS,
  },
  {
    name: "a field that no message can hold is not sent",
    file: parts,
    find: "if (!UNSENDABLE.test(headerLines)) {",
    replace: "if (headerLines !== sendable) {",
    tests: PARTS,
  },
  {
    name: "a body is sent once",
    file: body,
    find: "if (this.unusable) throw unusable();",
    replace: "",
    tests: PARTS,
  },
  {
    name: "a body is read once",
    file: body,
    find: "if (this.unusable) return Promise.reject(unusable());",
    replace: "",
    tests: SAME,
  },
  {
    name: "what is read without the stream locks and disturbs it",
    file: body,
    find: "if (this.#stream !== null) spend(this.#stream);",
    replace: "",
    tests: PARTS,
  },
  {
    name: "a body that moves on to another request is not cancelled",
    file: body,
    find: "if (this.#stream === null || whole !== null) {",
    replace: "if (whole !== null || source === null) {",
    tests: SOURCE,
  },
  {
    name: "a piece that looks into other memory is copied",
    file: bodyStream,
    find: "const isWhole = piece.length === piece.buffer.byteLength;",
    replace: "const isWhole = true;",
    tests: SOURCE,
  },
  {
    name: "the link hears that nobody reads on",
    file: bodyStream,
    find: "cancel: () => source.cancel(),",
    replace: "",
    tests: SOURCE,
  },
  {
    name: "bytes that an app gives are copied",
    file: bodyInit,
    find: "new Uint8Array(new Uint8Array(init.buffer, init.byteOffset, init.byteLength))",
    replace: "new Uint8Array(init.buffer, init.byteOffset, init.byteLength)",
    tests: SAME,
  },
  {
    name: "the type of a Blob is no line of its own",
    file: bodyInit,
    find: 'type !== "" && isPlainField("content-type", type)',
    replace: 'type !== ""',
    tests: PARTS,
  },
  {
    name: "the text of a status is no line of its own",
    file: responseInit,
    find: "if (!REASON_PHRASE.test(text)) throw",
    replace: "if (text === null) throw",
    tests: PARTS,
  },
  {
    name: "a stream in use is no body",
    file: bodyInit,
    find: "stream.locked || isDisturbed(stream)",
    replace: "false",
    tests: SAME,
  },
  {
    name: "a field that came twice is not found as the first alone",
    file: fieldText,
    find: "if (found !== null) return MANY;",
    replace: "if (found !== null) return found;",
    tests: HEADERS,
  },
  {
    name: "headers that are immutable do not change",
    file: headers,
    find: 'if (this.#immutable) throw new TypeError("immutable");',
    replace: "",
    tests: SAME,
  },
  {
    name: "a status without body has none",
    file: responseInit,
    find: "if (NULL_BODY.includes(status)) {",
    replace: "if (NULL_BODY.includes(-status)) {",
    tests: SAME,
  },
  {
    name: "status 101 is for a webSocket",
    file: responseInit,
    find: "if (socket === null && (status < 200 || status > 599)) {",
    replace: "if (status < 101 || status > 599) {",
    tests: PARTS,
  },
  {
    name: "a body that came with GET stays behind",
    file: nativeRequest,
    find: "if (body === null || hasNoBody(method)) return",
    replace: "if (body === null) return",
    tests: FETCH,
  },
  {
    name: "what fetch() decoded leaves without the name of the encoding",
    file: globals,
    find: "noteDecoded(response);",
    replace: "",
    tests: FETCH,
  },
  {
    name: "the native classes are not loaded to be replaced",
    file: globals,
    find: "Reflect.deleteProperty(globalThis, name);",
    replace: "",
    tests: ["test/vm/http/unloaded.test.ts"],
  },
  {
    name: "dot segments are left to the URL parser",
    file: requestUrl,
    find: "(?!\\.|%2)",
    replace: "(?!\\.)",
    tests: ["src/vm/http/request-url.test.ts"],
  },
];
