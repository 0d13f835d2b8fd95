// A chat: who is in a room hears what the others in it say. `npx sluice serve examples/websocket-chat/chat.ts` runs it
// without its page.

import type { Handler, ServerWebSocket } from "sluice";

interface Said {
  readonly type: "joined" | "left" | "said";
  readonly name: string;
  readonly text?: string;
  /** Who is in the room now. */
  readonly names?: readonly string[];
}

/** Behind so many bytes a member does not hear the next message: it could never catch up. */
const MAX_BEHIND = 32_768;

class Room {
  readonly #members = new Map<ServerWebSocket, string>();

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  join(socket: ServerWebSocket, name: string): void {
    this.#members.set(socket, name);
    this.say({ type: "joined", name, names: [...this.#members.values()] });
  }

  leave(socket: ServerWebSocket): void {
    const name = this.#members.get(socket) ?? "";
    this.#members.delete(socket);
    this.say({ type: "left", name, names: [...this.#members.values()] });
  }

  say(said: Said): void {
    const message = JSON.stringify(said);
    for (const socket of this.#members.keys()) if (socket.bufferedAmount < MAX_BEHIND) socket.send(message);
  }
}

const rooms = new Map<string, Room>();

export default {
  fetch(request) {
    if (request.headers.get("upgrade") !== "websocket")
      return new Response("This is for WebSockets.\n", { status: 426, headers: { Upgrade: "websocket" } });
    const { searchParams } = new URL(request.url);
    const name = (searchParams.get("name") ?? "").trim().slice(0, 40) || "somebody";
    const roomName = searchParams.get("room") ?? "lobby";

    const { 0: client, 1: server } = new WebSocketPair();
    const room = rooms.get(roomName) ?? new Room();
    rooms.set(roomName, room);
    server.accept();
    server.addEventListener("message", ({ data }) => {
      if (typeof data === "string") room.say({ type: "said", name, text: data });
      else server.close(1003, "expected text");
    });
    server.addEventListener("close", () => {
      room.leave(server);
      if (room.isEmpty) rooms.delete(roomName);
    });
    room.join(server, name);
    return new Response(null, { status: 101, webSocket: client });
  },
} satisfies Handler;
