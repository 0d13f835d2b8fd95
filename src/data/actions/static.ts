// The action `static`: answers with a file, a part of it, or why there is none. Runs in data threads.
//
//   method ─▶ what is at the path ─▶ conditions ─▶ ranges ─▶ from memory
//               └─▶ look it up, first             └─▶ or read from the open file (static/send-file.ts)

import type { StaticSpec } from "../../config/snapshot.ts";
import { GatewayError } from "../../core/errors.ts";
import type { Action, Exchange } from "../../core/exchange.ts";
import { Field, HeaderList } from "../../core/headers.ts";
import { failExchange } from "../pipeline.ts";
import { chooseEncoding } from "../static/encodings.ts";
import type { Found, FoundFile } from "../static/look-up.ts";
import type { Representation } from "../static/representation.ts";
import { sendFile } from "../static/send-file.ts";
import { FALLBACK, type Seeker, Site } from "../static/site.ts";
import type { ThreadContext } from "../thread-context.ts";
import type { StartAction } from "./route.ts";

export function createStatic(spec: StaticSpec, thread: ThreadContext): StartAction {
  const site = new Site(spec, thread);
  return (exchange) => {
    const { method, path } = exchange.request;
    if (method !== "GET" && method !== "HEAD") refuseMethod(exchange);
    else seek(site, exchange, path);
  };
}

const ALLOWED = "GET, HEAD, OPTIONS";

function refuseMethod(exchange: Exchange): void {
  const { method } = exchange.request;
  const headers = new HeaderList();
  headers.add("Allow", ALLOWED);
  if (method === "OPTIONS") {
    exchange.client.sendHead({ status: 204, reason: "", headers, bodyLength: 0 }, null, true);
    return;
  }
  failExchange(exchange, new GatewayError("method_not_allowed", `${method} on a file`), headers);
}

function seek(site: Site, exchange: Exchange, path: string): void {
  const found = site.known(path);
  if (found !== null) answer(site, exchange, found);
  else site.find(path, new Search(site, exchange));
}

/** An exchange that waits until it is known what is at its path. */
class Search implements Action, Seeker {
  readonly #site: Site;
  readonly #exchange: Exchange;

  constructor(site: Site, exchange: Exchange) {
    this.#site = site;
    this.#exchange = exchange;
    exchange.action = this;
  }

  onFound(found: Found): void {
    const exchange = this.#exchange;
    if (exchange.finished) return;
    exchange.action = null;
    try {
      answer(this.#site, exchange, found);
    } catch (bug) {
      failExchange(exchange, new GatewayError("internal", "an error in the gateway itself", bug));
    }
  }

  onRequestBody(): void {}
  onRequestEnd(): void {}
  onClientDrain(): void {}
  onAborted(): void {}
}

function answer(site: Site, exchange: Exchange, found: Found): void {
  switch (found.kind) {
    case "file":
      sendFile(site, exchange, chosenForm(found, exchange));
      break;
    case "folder":
      redirectToFolder(exchange);
      break;
    case "nothing":
      if (found.fallback && site.spec.spaFallback !== null && opensPage(exchange)) {
        seek(site, exchange, FALLBACK);
      } else failExchange(exchange, found.error);
      break;
    case "failed":
      failExchange(exchange, found.error);
  }
}

function chosenForm({ plain, encoded, encodings }: FoundFile, { request }: Exchange): Representation {
  if (encodings.length === 0) return plain;
  const accepted = request.headers.join(Field.acceptEncoding);
  return (accepted === null ? undefined : encoded[chooseEncoding(accepted, encodings)]) ?? plain;
}

/** The folder itself, so that links in its page lead to what is in it. */
function redirectToFolder({ client, request }: Exchange): void {
  const headers = new HeaderList();
  headers.add("Location", `${request.path}/${request.query}`);
  client.sendHead({ status: 301, reason: "", headers, bodyLength: 0 }, null, true);
}

const PAGE = /(?:^|,)[ \t]*text\/html[ \t]*(?:$|[,;])(?![ \t]*q=0(?:\.0*)?[ \t]*(?:$|[,;]))/i;

/** Browsers name HTML where an address is opened, and only there: not for a script, an image or a `fetch`. */
function opensPage({ request }: Exchange): boolean {
  const accept = request.headers.find("accept");
  return accept !== null && PAGE.test(accept);
}
