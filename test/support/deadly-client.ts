// Preloaded into a gateway (NODE_OPTIONS=--import): a data thread that takes a connection from this address dies of
// an error, as it would of a bug.

import { Socket } from "node:net";
import { isMainThread } from "node:worker_threads";

export const DEADLY_ADDRESS = "127.0.0.9";

if (!isMainThread) {
  const { on } = Socket.prototype;
  Socket.prototype.on = function (this: Socket, ...[event, listener]: Parameters<typeof on>) {
    if (event === "drain" && this.remoteAddress === DEADLY_ADDRESS) throw new Error("a deadly client");
    return on.call(this, event, listener);
  } as typeof on;
}
