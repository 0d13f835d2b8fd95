// A backend in a process of its own, which misbehaves as its parent says: `{ mode }` over IPC. Prints its port.

import { createServer, type Socket } from "node:net";

export const MODES = ["answers", "hangs", "slow", "resets", "half-closes", "garbage", "fails"] as const;
export type Mode = (typeof MODES)[number];

const [port = "0", name = ""] = process.argv.slice(2);
const SLOW_MS = 1500;
let mode: Mode = "answers";

function answer(socket: Socket, status = "200 OK"): void {
  if (!socket.destroyed)
    socket.write(`HTTP/1.1 ${status}\r\nContent-Length: ${name.length}\r\nX-Backend: ${name}\r\n\r\n${name}`);
}

function serve(socket: Socket): void {
  switch (mode) {
    case "answers":
      answer(socket);
      break;
    case "slow":
      setTimeout(() => answer(socket), SLOW_MS);
      break;
    case "resets":
      socket.resetAndDestroy();
      break;
    case "half-closes":
      socket.end();
      break;
    case "garbage":
      socket.write("\u0000\u0001 this is no response\r\n\r\n");
      break;
    case "fails":
      answer(socket, "503 Service Unavailable");
      break;
    case "hangs":
      break;
  }
}

const server = createServer({ allowHalfOpen: true }, (socket) => {
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
    for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
      text = text.slice(end + 4);
      serve(socket);
    }
  });
  socket.on("end", () => socket.end());
  socket.on("error", () => socket.destroy());
});

process.on("message", (message: { readonly mode: Mode }) => {
  mode = message.mode;
  process.send?.({ mode });
});
process.on("disconnect", () => process.exit());
server.listen(Number(port), "127.0.0.1", () => {
  const address = server.address();
  process.send?.({ port: typeof address === "object" && address !== null ? address.port : 0 });
});
