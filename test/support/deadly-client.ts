// Preloaded into a gateway (NODE_OPTIONS=--import): a data thread that accepts a connection from this address dies of
// an error, as it would of a bug.

import { Server, type Socket } from "node:net";
import { isMainThread } from "node:worker_threads";

export const DEADLY_ADDRESS = "127.0.0.9";

if (!isMainThread) {
  const { emit } = Server.prototype;
  Server.prototype.emit = function (this: Server, event: string, ...values: unknown[]): boolean {
    if (event === "connection" && (values[0] as Socket).remoteAddress === DEADLY_ADDRESS) {
      throw new Error("a deadly client");
    }
    return emit.call(this, event, ...values);
  };
}
