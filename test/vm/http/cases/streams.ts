import { attempt, type Cases, isStable, kind } from "./case.ts";

const POST = { method: "POST", body: "hello" } as const;

async function collect(stream: ReadableStream<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

function streamOf(...pieces: unknown[]): ReadableStream {
  return new ReadableStream({
    pull(controller) {
      if (pieces.length === 0) controller.close();
      else controller.enqueue(pieces.shift());
    },
  });
}

export const streamCases: Cases = {
  "streams: the body is one object": ({ incoming }) => {
    const request = incoming(POST);
    const response = new Response("x");
    return [
      isStable(() => request.body),
      isStable(() => response.body),
      request.body instanceof ReadableStream,
      incoming({}).body,
    ];
  },
  "streams: to ask for the body does not use it": async ({ incoming }) => {
    const request = incoming(POST);
    const { body } = request;
    const before = [body!.locked, request.bodyUsed];
    return [before, await request.text(), body!.locked, request.bodyUsed, request.body === body];
  },
  "streams: iterated": async ({ incoming }) => [
    await collect(incoming(POST).body!),
    await collect(new Response("hello").body!),
    await collect(new Response("").body!),
  ],
  "streams: pieces are bytes of their own": async ({ incoming }) => {
    const { value } = await incoming(POST).body!.getReader().read();
    return [value!.constructor.name, value!.byteOffset, value!.buffer.byteLength === value!.byteLength];
  },
  "streams: read by a reader of one's own memory": async ({ incoming }) => {
    const reader = incoming(POST).body!.getReader({ mode: "byob" });
    const text: string[] = [];
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(2));
      if (done) return [text.join(""), value?.byteLength];
      text.push(Buffer.from(value).toString());
    }
  },
  "streams: an empty body read by a reader of one's own memory": async () => {
    const { done, value } = await new Response("").body!.getReader({ mode: "byob" }).read(new Uint8Array(2));
    return [done, value?.byteLength];
  },
  "streams: locked": async ({ incoming }) =>
    Promise.all(
      [incoming(POST), new Response("hello")].map(async (message) => {
        const reader = message.body!.getReader();
        const locked = [
          message.bodyUsed,
          await attempt(() => message.text()),
          await attempt(() => message.clone()),
        ];
        reader.releaseLock();
        return [locked, message.bodyUsed, await message.text()];
      }),
    ),
  "streams: disturbed": async ({ incoming }) =>
    Promise.all(
      [incoming(POST), new Response("hello")].map(async (message) => {
        const reader = message.body!.getReader();
        await reader.read();
        reader.releaseLock();
        return [
          message.bodyUsed,
          message.body!.locked,
          await attempt(() => message.text()),
          await attempt(() => message.clone()),
        ];
      }),
    ),
  "streams: cancelled": async ({ incoming }) =>
    Promise.all(
      [incoming(POST), new Response("hello")].map(async (message) => {
        await message.body!.cancel("enough");
        return [message.bodyUsed, await attempt(() => message.text()), message.body!.locked];
      }),
    ),
  "streams: cancelled after it was read otherwise": async ({ incoming }) => {
    const request = incoming(POST);
    await request.text();
    return attempt(() => request.body!.cancel());
  },
  "streams: given to a Response": async () => {
    const response = new Response(streamOf(Buffer.from("a"), Buffer.from("b")));
    return [[...response.headers], response.bodyUsed, await response.text(), response.bodyUsed];
  },
  "streams: given and asked for again": () => {
    const stream = streamOf();
    return new Response(stream).body === stream;
  },
  "streams: a used one is refused": async () => {
    const locked = streamOf();
    locked.getReader();
    const disturbed = streamOf(Buffer.from("a"));
    const reader = disturbed.getReader();
    await reader.read();
    reader.releaseLock();
    return [await attempt(() => new Response(locked)), await attempt(() => new Response(disturbed))];
  },
  "streams: pieces that are no bytes": async () => [
    await attempt(() => new Response(streamOf("text")).text()),
    await attempt(() => new Response(streamOf(Buffer.from("a"), 1)).bytes()),
  ],
  "streams: one that fails": () =>
    attempt(() =>
      new Response(
        new ReadableStream({ start: (controller) => controller.error(new RangeError("broken")) }),
      ).text(),
    ),
  "streams: the body of one message given to the next": async ({ incoming }) => {
    const request = incoming(POST);
    const response = new Response(request.body);
    const before = [request.bodyUsed, response.bodyUsed, request.body === response.body];
    return [before, await response.text(), request.bodyUsed, await attempt(() => request.text())];
  },
  "streams: the body of one response given to the next, the first read first": async () => {
    const first = new Response("hello", { status: 201 });
    const second = new Response(first.body, first);
    const text = await first.text();
    return [text, second.bodyUsed, await attempt(() => second.text())];
  },
  "streams: given to two": async () => {
    const first = new Response("hello");
    const [second, third] = [new Response(first.body), new Response(first.body)];
    return [await second.text(), await attempt(() => third.text()), await attempt(() => first.text())];
  },
  "streams: clone after the body was asked for": async ({ incoming }) => {
    const request = incoming(POST);
    const { body } = request;
    const clone = request.clone();
    return [body!.locked, await clone.text(), request.bodyUsed, await request.text()];
  },
  "streams: clone of a stream": async () => {
    const response = new Response(streamOf(Buffer.from("a"), Buffer.from("b")));
    const clone = response.clone();
    return [await clone.text(), await response.text()];
  },
  "streams: pieces of clones do not share memory": async () => {
    const response = new Response(streamOf(Buffer.from("a")));
    const clone = response.clone();
    const first = await response.body!.getReader().read();
    first.value!.fill(0);
    return clone.text();
  },
  "streams: piped": async ({ incoming }) => {
    const upper = new TransformStream<Uint8Array, Uint8Array>({
      transform: (piece, controller) =>
        controller.enqueue(Buffer.from(Buffer.from(piece).toString().toUpperCase())),
    });
    const request = incoming(POST);
    const response = new Response(request.body!.pipeThrough(upper) as ReadableStream);
    return [request.bodyUsed, await response.text()];
  },
  "streams: tee": async ({ incoming }) => {
    const request = incoming(POST);
    const [one, two] = request.body!.tee();
    return [request.bodyUsed, await collect(one), await collect(two), await kind(() => request.text())];
  },
};
