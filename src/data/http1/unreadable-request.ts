// Stands in, in the log and for its answer, for a request whose head could not be read. Runs in data threads.

import type { RequestHead } from "../../core/exchange.ts";
import { HeaderList } from "../../core/headers.ts";

/** `method` is empty where not even that could be read. */
export function unreadableRequest(
  method: string,
  protocol: RequestHead["protocol"] = "HTTP/1.1",
): RequestHead {
  return {
    method,
    path: "",
    query: "",
    authority: "",
    host: "",
    protocol,
    headers: NO_FIELDS,
    bodyLength: 0,
    upgrade: null,
  };
}

const NO_FIELDS = new HeaderList();
