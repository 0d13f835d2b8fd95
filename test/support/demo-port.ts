// Port 8080 is the demo's, and test files run beside each other: those that start the demo take turns.

import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** An abstract unix socket (Linux): it goes with the process that holds it, whichever way that ends. */
const TURN = "\0sluice-test-demo-port";

/** Resolves when it is the caller's turn, with what ends it. */
export async function takeDemoPort(): Promise<() => void> {
  const waiting = new Set<Socket>();
  const server = createServer((socket) => waiting.add(socket.on("error", () => {})));
  while (!(await listens(server.listen(TURN))))
    await once(
      connect(TURN).on("error", () => {}),
      "close",
    );
  return () => {
    server.close();
    for (const socket of waiting) socket.destroy();
  };
}

async function listens(server: Server): Promise<boolean> {
  try {
    await once(server, "listening");
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw error;
  }
}
