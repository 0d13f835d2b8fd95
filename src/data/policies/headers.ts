// The policy `headers`: sets, adds and removes fields of the request, last before the action, and of the response, last
// before the client. Runs in data threads.

import type { FieldRules, HeadersSpec } from "../../config/snapshot.ts";
import type { ClientStream, Exchange, ResponseHead, TunnelEnd } from "../../core/exchange.ts";
import { Field, type HeaderList } from "../../core/headers.ts";
import { renderTemplate } from "../../core/template.ts";
import { ClientLayer } from "./client-layer.ts";
import { type Policy, Step } from "./policy.ts";

export function createRequestHeaders({ request }: HeadersSpec): Policy | null {
  if (request === null) return null;
  return {
    enter(exchange) {
      const { headers } = exchange.request;
      applyRules(request, headers, exchange);
      // Host is what the connection is about: it was read already, and is written by the gateway.
      if (request.host !== null) exchange.backendHost = renderTemplate(request.host, exchange);
      return Step.goOn;
    },
  };
}

export function createResponseHeaders({ response }: HeadersSpec): Policy | null {
  if (response === null) return null;
  return {
    enter(exchange) {
      exchange.client = new ResponseHeaders(exchange.client, response, exchange);
      return Step.goOn;
    },
  };
}

class ResponseHeaders extends ClientLayer {
  readonly #rules: FieldRules;
  readonly #exchange: Exchange;

  constructor(next: ClientStream, rules: FieldRules, exchange: Exchange) {
    super(next);
    this.#rules = rules;
    this.#exchange = exchange;
  }

  override sendHead(head: ResponseHead, body: Buffer | null, last: boolean, lent?: boolean): boolean {
    applyRules(this.#rules, head.headers, this.#exchange);
    return this.next.sendHead(head, body, last, lent);
  }

  override switchProtocols(head: ResponseHead, protocol: string): TunnelEnd {
    applyRules(this.#rules, head.headers, this.#exchange);
    return this.next.switchProtocols(head, protocol);
  }
}

/** Every value is rendered before anything is taken out: it may be made of a field that is replaced. */
function applyRules({ set, add, remove }: FieldRules, headers: HeaderList, exchange: Exchange): void {
  const setTexts = renderAll(set, exchange);
  const addTexts = renderAll(add, exchange);
  for (let i = 0; i < remove.length; i++) headers.removeNamed(remove[i]!);
  for (let i = 0; i < set.length; i++) headers.removeNamed(set[i]!.lowerName);
  addAll(set, setTexts, headers);
  addAll(add, addTexts, headers);
}

function renderAll(rules: FieldRules["set"], exchange: Exchange): readonly string[] {
  const texts: string[] = [];
  for (let i = 0; i < rules.length; i++) texts.push(renderTemplate(rules[i]!.value, exchange));
  return texts;
}

/** A field with an empty value says nothing: it is not sent. */
function addAll(rules: FieldRules["set"], texts: readonly string[], headers: HeaderList): void {
  for (let i = 0; i < rules.length; i++)
    if (texts[i] !== "") headers.add(rules[i]!.name, texts[i]!, Field.other);
}
