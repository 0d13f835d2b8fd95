// Actions that answer by themselves: a fixed response, or a redirect.

import type { RedirectSpec, RespondSpec } from "../../config/snapshot.ts";
import { HeaderList } from "../../core/headers.ts";
import { renderTemplate } from "../../core/template.ts";
import type { StartAction } from "./route.ts";

export function createRespond(spec: RespondSpec): StartAction {
  const headers = new HeaderList();
  for (const [name, value] of spec.headers) headers.add(name, value);
  const body = Buffer.from(spec.body);
  const { status } = spec;
  const bodyLength = body.length;
  const sent = body.length > 0 ? body : null;
  return (exchange) => {
    exchange.client.sendHead({ status, reason: "", headers: headers.copy(), bodyLength }, sent, true);
  };
}

export function createRedirect(spec: RedirectSpec): StartAction {
  return (exchange) => {
    const headers = new HeaderList();
    headers.add("Location", renderTemplate(spec.location, exchange));
    exchange.client.sendHead({ status: spec.status, reason: "", headers, bodyLength: 0 }, null, true);
  };
}
