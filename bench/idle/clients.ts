// A child process of run.ts that holds idle keep-alive connections. It is told how many to hold and says when each of
// them has had one request answered; it ends with its parent.

import { connect, type Socket } from "node:net";

/** From the parent: hold this many connections to `port`. */
export interface Hold {
  readonly port: number;
  readonly connections: number;
}

/** To the parent, once all are there. */
export interface Held {
  readonly connections: number;
  /** Connections that failed or that the server closed, since the start. It should be none. */
  readonly lost: number;
}

/** Connections being opened at a time: the server never has more than these to its backend either. */
const CONCURRENCY = 64;
const REQUEST = "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n";
const END_OF_RESPONSE = "Hello, world!";

const idle = new Set<Socket>();
let lost = 0;

process.on("message", async (hold: Hold) => {
  let missing = hold.connections - idle.size;
  const openInTurn = async () => {
    while (missing-- > 0) await openOne(hold.port);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, openInTurn));
  process.send?.({ connections: idle.size, lost } satisfies Held);
});
process.once("disconnect", () => process.exit());

/** Resolves after the response, or after the connection was lost. */
function openOne(port: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(REQUEST));
    let response = "";
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      response += chunk;
      if (!response.endsWith(END_OF_RESPONSE)) return;
      response = "";
      idle.add(socket);
      resolve();
    });
    // `close` follows and counts it.
    socket.on("error", () => {});
    socket.once("close", () => {
      lost++;
      idle.delete(socket);
      resolve();
    });
  });
}
