// The app of the tests of WebSockets: each path is one way to use them. What it saw is at /seen.

import type { ServerWebSocket as Socket } from "../../src/vm/api/web-socket.ts";

const seen: object[] = [];
const late = new Map<string, Socket>();
const slow = new Map<string, (value: unknown) => void>();
let used: Socket | null = null;

type Answered = ResponseInit | Response | undefined;

const WAYS: Record<string, (server: Socket, id: string, client: Socket) => Answered | Promise<Answered>> = {
  "/echo": echo,
  "/unasked": echo,
  "/greet"(server) {
    server.accept();
    server.send("hello");
    server.onmessage = async ({ data }) => server.send(String(data).toUpperCase());
    return undefined;
  },
  "/protocol"(server, id) {
    server.accept();
    return { headers: { "Sec-WebSocket-Protocol": id, "X-From": "handler" } };
  },
  "/kinds"(server) {
    server.accept();
    server.onmessage = ({ data }) => {
      if (typeof data === "string") server.send(`string of ${data.length}`);
      else server.send(`${data.constructor.name} of ${data.byteLength}`);
    };
    return undefined;
  },
  "/send"(server) {
    server.accept();
    const bytes = Uint8Array.of(0, 1, 2, 3, 4);
    server.send("text");
    server.send(bytes);
    server.send(bytes.buffer);
    server.send(bytes.subarray(1, 3));
    server.send(new DataView(bytes.buffer, 2));
    bytes.fill(9);
    try {
      server.send(5 as never);
    } catch (error) {
      server.send(String(error));
    }
    return undefined;
  },
  "/close"(server) {
    server.accept();
    server.onmessage = ({ data }) => {
      const before = server.readyState;
      try {
        server.close(...(JSON.parse(String(data)) as [number, string]));
        server.close(1000, "again");
        seen.push({ type: "closing", before, after: server.readyState });
        server.send("too late");
      } catch (error) {
        seen.push({ type: "thrown", error: String(error) });
        if (server.readyState === 1) server.send(String(error));
      }
    };
    return undefined;
  },
  "/note"(server, id) {
    server.accept();
    note(server, id);
    return undefined;
  },
  "/late"(server, id) {
    late.set(id, server);
    return undefined;
  },
  async "/slow"(server, id) {
    server.accept();
    note(server, id);
    seen.push({ id, type: "begun" });
    await new Promise((resolve) => slow.set(id, resolve));
    return undefined;
  },
  "/throw"(server) {
    server.accept();
    server.onmessage = ({ data }) => {
      if (data === "throw") throw new Error("a listener broke");
      server.send(data);
    };
    server.addEventListener("message", async ({ data }) => {
      if (data === "reject") throw new Error("a promise broke");
    });
    return undefined;
  },
  "/flood"(server, id) {
    server.accept();
    note(server, id, ["error", "close"]);
    server.onmessage = ({ data }) => {
      const { count, bytes, close } = JSON.parse(String(data)) as Record<string, number>;
      for (let i = 0; i < count!; i++) server.send(new Uint8Array(bytes!).fill(i));
      if (close !== undefined) server.close(close);
      seen.push({ id, type: "sent", buffered: server.bufferedAmount });
    };
    return undefined;
  },
  "/pour"(server, id) {
    server.accept();
    const poured = { id, type: "poured", count: 0 };
    seen.push(poured);
    const pour = (): void => {
      for (; poured.count < 3000 && server.bufferedAmount === 0; poured.count++)
        server.send(new Uint8Array(10_000).fill(poured.count));
      if (poured.count < 3000) setTimeout(pour, 1);
    };
    server.onmessage = pour;
    return undefined;
  },
  "/block"(server) {
    server.accept();
    server.onmessage = ({ data }) => {
      server.onmessage = (event) => server.send(event.data);
      const until = Date.now() + Number(data);
      server.send("blocked");
      setImmediate(() => setImmediate(() => block(until)));
    };
    return undefined;
  },
  "/exit"(server) {
    server.accept();
    server.onmessage = () => process.exit(3);
    return undefined;
  },
  "/local"(server, _id, client) {
    const local: unknown[] = [];
    const listen = (socket: Socket, name: string) => {
      socket.accept();
      socket.addEventListener("message", ({ data }) => local.push([name, data]));
      socket.onclose = ({ code, reason, wasClean }) => {
        local.push([name, code, reason, wasClean, socket.readyState]);
        if (local.length === 4) seen.push({ type: "local", local });
      };
    };
    server.accept();
    server.send("early");
    listen(client, "client");
    listen(server, "server");
    client.send("back");
    server.close(4000, "done");
    return new Response("local");
  },
  "/accepted"(_server, _id, client) {
    client.accept();
    return undefined;
  },
  "/twice"(server, _id, client) {
    echo(server);
    const first = used;
    used ??= client;
    return first === null ? undefined : answer(first);
  },
  "/status": () => ({ status: 200 }),
  "/nothing": () => new Response(null, { status: 101 }),
  "/object": () => answer({} as Socket),
  "/mute"(server) {
    try {
      server.send("before accept");
    } catch (error) {
      seen.push({ type: "mute", error: String(error) });
    }
    return undefined;
  },
};

export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const id = searchParams.get("id") ?? "";
    if (pathname === "/seen") return Response.json(seen.filter((one) => !("id" in one) || one.id === id));
    if (pathname === "/accept") {
      const server = late.get(id)!;
      if (searchParams.has("note")) note(server, id);
      echo(server);
      return new Response("accepted");
    }
    if (pathname === "/go-on") {
      slow.get(id)?.(null);
      return new Response("gone on");
    }
    const pair = new WebSocketPair();
    const [client, server] = Object.values(pair);
    if (pair[0] !== client || [...pair][1] !== server) throw new Error("a pair is not what it was");
    const upgrade = request.headers.get("upgrade");
    if (upgrade !== "websocket" && !["/unasked", "/local"].includes(pathname))
      return new Response(`upgrade is ${upgrade}`, { status: 400 });
    const init = await WAYS[pathname]!(server, id, client);
    return init instanceof Response ? init : answer(client, init);
  },
};

function answer(webSocket: Socket, init: ResponseInit = {}): Response {
  return new Response(null, { status: 101, ...init, webSocket } as ResponseInit);
}

function echo(server: Socket): undefined {
  server.accept();
  server.addEventListener("message", ({ data }) => server.send(data));
}

type Kind = "message" | "error" | "close";

function note(server: Socket, id: string, kinds: readonly Kind[] = ["message", "error", "close"]): void {
  for (const type of kinds) {
    server.addEventListener(type, (event: object) => {
      const { data, code, reason, wasClean, message } = event as Record<string, unknown>;
      seen.push({ id, type, data, code, reason, wasClean, message, readyState: server.readyState });
    });
  }
}

function block(until: number): void {
  while (Date.now() < until);
}
