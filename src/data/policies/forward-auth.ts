// The policy `forward_auth`: asks an upstream whether a request may go on, as the gateway's own request without a body. 2xx
// lets it through; any other answer is the client's. Runs in data threads.
//
//   request ─▶ asks ─▶ 2xx: goes on, with fields of the answer
//                └─▶ another status: answers with it         └─▶ no answer: 502, 503 or 504

import type { ForwardAuthSpec } from "../../config/snapshot.ts";
import { GatewayError } from "../../core/errors.ts";
import type { Exchange, RequestHead, ResponseHead } from "../../core/exchange.ts";
import { Field, type HeaderList } from "../../core/headers.ts";
import { createProxy } from "../actions/proxy-route.ts";
import type { StartAction } from "../actions/route.ts";
import { InnerClient, type InnerUser } from "../inner-client.ts";
import { failExchange, type PolicyRun } from "../pipeline.ts";
import type { ThreadContext } from "../thread-context.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { type Policy, Step } from "./policy.ts";
import { Waiting } from "./waiting.ts";

/** The answer of a client that may not go on is kept until it is whole: a page to log in, not a download. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** They are about the response of the backend: the answer to them could be 304 or a part, which is no answer here. */
const NOT_ASKED = [
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
  "if-range",
  "range",
  "content-type",
  "content-encoding",
];

interface ForwardAuth {
  readonly spec: ForwardAuthSpec;
  readonly action: StartAction;
  readonly thread: ThreadContext;
}

export function createForwardAuth(
  spec: ForwardAuthSpec,
  upstreams: ReadonlyMap<string, Upstream>,
  thread: ThreadContext,
): Policy {
  const policy: ForwardAuth = { spec, action: createProxy(spec.proxy, upstreams, thread), thread };
  return {
    enter(exchange, run) {
      for (const { lowerName } of spec.responseFields) exchange.request.headers.removeVariable(lowerName);
      new ForwardAuthWait(exchange, run, policy).ask();
      return Step.waits;
    },
  };
}

/** An exchange about which somebody was asked. */
class ForwardAuthWait extends Waiting implements InnerUser {
  readonly #policy: ForwardAuth;
  readonly #inner: InnerClient;
  /** The answer was 2xx: what is left of it is of no interest. */
  #passed = false;
  #denied: ResponseHead | null = null;
  readonly #body: Buffer[] = [];
  #bodyBytes = 0;

  constructor(exchange: Exchange, run: PolicyRun, policy: ForwardAuth) {
    super(exchange, run);
    this.#policy = policy;
    this.#inner = new InnerClient(
      policy.thread,
      exchange,
      questionAbout(exchange.request, policy.spec),
      this,
    );
  }

  ask(): void {
    const { action, spec } = this.#policy;
    this.#inner.start(action, spec.timeoutMs);
  }

  override onAborted(): void {
    this.#inner.abort(new GatewayError("client_gone", "the client of the request has gone"));
  }

  // ---- from the upstream ----

  onHead(head: ResponseHead): void {
    if (head.status < 200 || head.status > 299) {
      this.#denied = head;
      return;
    }
    this.#passed = true;
    const { exchange } = this;
    exchange.action = null;
    exchange.personal = true;
    for (const { name, lowerName } of this.#policy.spec.responseFields)
      copyField(head.headers, exchange.request.headers, name, lowerName);
    this.run.goOn();
  }

  onBody(chunk: Buffer): boolean {
    if (this.#passed) return true;
    this.#bodyBytes += chunk.length;
    if (this.#bodyBytes > MAX_ANSWER_BYTES) {
      const message = `the answer of forward_auth is longer than ${MAX_ANSWER_BYTES} bytes`;
      const error = new GatewayError("response_malformed", message);
      this.#inner.abort(error);
      this.onFailed(error);
    } else this.#body.push(Buffer.from(chunk));
    return true;
  }

  onEnd(): void {
    if (this.#passed || this.#denied === null) return;
    const { exchange } = this;
    const { status, reason, headers } = this.#denied;
    const body = this.#bodyBytes === 0 ? null : Buffer.concat(this.#body);
    exchange.action = null;
    exchange.client.sendHead({ status, reason, headers, bodyLength: this.#bodyBytes }, body, true);
  }

  onFailed(error: GatewayError): void {
    if (this.#passed) return;
    const { exchange } = this;
    exchange.action = null;
    exchange.upstream = this.#inner.exchange.upstream;
    exchange.backend = this.#inner.exchange.backend;
    failExchange(exchange, new GatewayError(error.code, `forward_auth: ${error.message}`, error.cause));
  }
}

/** What is asked: the request without its body, and what it was. The path is the one that a backend would get it under. */
function questionAbout(request: RequestHead, { path, query, requestFields }: ForwardAuthSpec): RequestHead {
  const headers = request.headers.copy();
  if (requestFields !== null) keepOnly(headers, requestFields);
  for (let i = 0; i < NOT_ASKED.length; i++) headers.removeNamed(NOT_ASKED[i]!);
  headers.remove(Field.contentLength);
  headers.removeVariable("x-forwarded-method");
  headers.removeVariable("x-forwarded-uri");
  // They are no fields that a client could have sent: they go on as they are.
  headers.add("X-Forwarded-Method", request.method, Field.other);
  headers.add("X-Forwarded-Uri", request.path + request.query, Field.other);
  return { ...request, method: "GET", path, query, headers, bodyLength: 0, upgrade: null };
}

function keepOnly(headers: HeaderList, lowerNames: readonly string[]): void {
  const { ids } = headers;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    // What proxies say of the client is another matter: see forwarded.ts.
    if (id >= Field.xForwardedFor && id <= Field.via) continue;
    if (!lowerNames.includes(headers.nameAt(i).toLowerCase())) headers.removeAt(i);
  }
}

function copyField(from: HeaderList, to: HeaderList, name: string, lowerName: string): void {
  for (let i = 0; i < from.length; i++) {
    if (from.ids[i] === Field.removed || from.nameAt(i).toLowerCase() !== lowerName) continue;
    to.add(name, from.valueAt(i), Field.other);
  }
}
