// Answers with one form of a file: what the conditions and ranges of the request leave of it, from memory or from the open
// file. Runs in data threads.

import { GatewayError } from "../../core/errors.ts";
import type { Action, Exchange } from "../../core/exchange.ts";
import { Field, HeaderList } from "../../core/headers.ts";
import { failExchange } from "../pipeline.ts";
import { failedCondition, rangeApplies } from "./conditions.ts";
import { FileStream } from "./file-stream.ts";
import { closeFile, openFile, stampOf } from "./file-system.ts";
import { bodyOf, type Part, rangePart, wholePart } from "./parts.ts";
import { parseRanges } from "./ranges.ts";
import { Representation } from "./representation.ts";
import type { Site } from "./site.ts";

export function sendFile(site: Site, exchange: Exchange, form: Representation): void {
  const { client, request } = exchange;
  const isHead = request.method === "HEAD";
  const { body } = form;
  if ((isHead || body !== null) && !isConditional(request.headers)) {
    client.sendHead(form.wholeHead(), isHead || form.size === 0 ? null : body, true, true);
    return;
  }
  const part = partFor(exchange, form);
  if (part === null) return;
  if (isHead || part.head.bodyLength === 0) client.sendHead(part.head, null, true);
  else if (body !== null) client.sendHead(part.head, bodyOf(body, part.pieces), true, true);
  else new FileOpening(site, exchange).open(form, part);
}

function isConditional({ ids }: HeaderList): boolean {
  for (let i = 0; i < ids.length; i++) if (ids[i]! >= Field.ifMatch && ids[i]! <= Field.range) return true;
  return false;
}

/** What of the file is to be sent; null where that is nothing, which was answered then. */
function partFor(exchange: Exchange, form: Representation): Part | null {
  const { client, request } = exchange;
  const { headers, method } = request;
  const status = failedCondition(headers, form);
  if (status === 304) {
    client.sendHead(form.notModifiedHead(), null, true);
    return null;
  }
  if (status === 412) {
    const message = `${request.path} is another version than the request is about`;
    failExchange(exchange, new GatewayError("precondition_failed", message));
    return null;
  }
  // RFC 9110 section 14.2: of the methods there are, only GET has ranges.
  const range = method === "GET" ? headers.join(Field.range) : null;
  if (range === null || !rangeApplies(headers, form, Date.now())) return wholePart(form);
  const ranges = parseRanges(range, form.size);
  if (ranges === null) return wholePart(form);
  if (ranges.length > 0) return rangePart(form, ranges);
  const fields = new HeaderList();
  fields.add("Content-Range", `bytes */${form.size}`);
  const message = `Range ${JSON.stringify(range)}: expected bytes of a file of ${form.size}`;
  failExchange(exchange, new GatewayError("range_not_satisfiable", message), fields);
  return null;
}

/** An exchange that waits for its file to be opened. */
class FileOpening implements Action {
  readonly #site: Site;
  readonly #exchange: Exchange;

  constructor(site: Site, exchange: Exchange) {
    this.#site = site;
    this.#exchange = exchange;
    exchange.action = this;
  }

  async open(form: Representation, part: Part): Promise<void> {
    const exchange = this.#exchange;
    const opened = await openFile(form.path, this.#site.spec.root, form.stamp);
    const isOpen = opened !== null && !(opened instanceof GatewayError);
    if (exchange.finished) {
      if (isOpen) closeFile(opened.fd);
      return;
    }
    exchange.action = null;
    if (!isOpen) {
      const gone = new GatewayError("file_not_found", `no file for ${exchange.request.path}`);
      failExchange(exchange, opened ?? gone);
      return;
    }
    const { fd, stats } = opened;
    try {
      // It may have changed since it was looked up: what is open now is what is sent.
      const isSame = stampOf(stats) === form.stamp;
      const now = isSame ? part : partFor(exchange, new Representation(form.path, stats, null, form.facts));
      if (now !== null && now.head.bodyLength > 0) new FileStream(this.#site, exchange, fd, now).start();
      else {
        closeFile(fd);
        if (now !== null) exchange.client.sendHead(now.head, null, true);
      }
    } catch (bug) {
      closeFile(fd);
      failExchange(exchange, new GatewayError("internal", "an error in the gateway itself", bug));
    }
  }

  onRequestBody(): void {}
  onRequestEnd(): void {}
  onClientDrain(): void {}
  onAborted(): void {}
}
