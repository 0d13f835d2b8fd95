import { Readable } from "node:stream";
import { attempt, type Cases, kind, type World } from "./case.ts";

const READERS = ["text", "json", "bytes", "arrayBuffer", "blob", "formData"] as const;

type Reader = (typeof READERS)[number];

function read(message: Request | Response, reader: Reader): Promise<unknown> {
  return message[reader]();
}

function post({ incoming }: World, body: string | Uint8Array, type = "text/plain"): Request {
  return incoming({ method: "POST", body, headers: [["Content-Type", type]] });
}

const BOUNDARY = "multipart/form-data; boundary=X";
const MULTIPART =
  '--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--X\r\nContent-Disposition: form-data; name="f"; filename="x.txt"\r\nContent-Type: text/css\r\n\r\nbody\r\n--X--\r\n';

async function entriesOf(form: FormData): Promise<unknown[]> {
  return Promise.all(
    [...(form as Iterable<[string, string | File]>)].map(async ([name, value]) =>
      typeof value === "string" ? [name, value] : [name, value.name, value.type, await value.text()],
    ),
  );
}

const TEXTS = ["", "hello", "ü€😀", "\ufeffmarked", "\ud800 alone", "\0", "[1]"];
const BYTES = [
  [],
  [0xff, 0xfe],
  [0xef, 0xbb, 0xbf, 0x61],
  [0xc3],
  [0xe2, 0x82, 0x41],
  [0xf0, 0x9f, 0x98],
  [0xed, 0xa0, 0x80],
];

export const bodyCases: Cases = {
  "bodies: texts, read in every way": () =>
    Promise.all(
      TEXTS.flatMap((text) => READERS.map((reader) => kind(() => read(new Response(text), reader)))),
    ),
  "bodies: bytes as text": () =>
    Promise.all(BYTES.map((bytes) => new Response(new Uint8Array(bytes)).text())),
  "bodies: bytes that come, as text": (world) =>
    Promise.all(BYTES.map((bytes) => post(world, new Uint8Array(bytes)).text())),
  "bodies: what comes, read in every way": (world) =>
    Promise.all(
      ["", "hello", '{"a":[1]}', "{"].flatMap((text) =>
        READERS.map((reader) => attempt(() => read(post(world, text), reader))),
      ),
    ),
  "bodies: JSON that is none": (world) =>
    Promise.all([
      attempt(() => post(world, "{a").json()),
      attempt(() => new Response("{a").json()),
      attempt(() => new Response(null).json()),
    ]),
  "bodies: null, read in every way": () =>
    Promise.all(
      READERS.map(async (reader) => {
        const response = new Response(null);
        return [
          await kind(() => read(response, reader)),
          response.bodyUsed,
          await kind(() => read(response, reader)),
        ];
      }),
    ),
  "bodies: used once": (world) =>
    Promise.all(
      READERS.flatMap((reader) =>
        [post(world, "a=b", "application/x-www-form-urlencoded"), new Response("a=b")].map(
          async (message) => {
            const first = kind(() => read(message, reader));
            const during = message.bodyUsed;
            await first;
            return [
              reader,
              during,
              message.bodyUsed,
              await attempt(() => message.text()),
              message.body!.locked,
              await attempt(() => message.clone()),
            ];
          },
        ),
      ),
    ),
  "bodies: what is read belongs to the reader": async (world) => {
    const request = post(world, "hello");
    const clone = request.clone();
    (await request.bytes()).fill(0);
    const response = new Response("hello");
    const copy = response.clone();
    new Uint8Array(await response.arrayBuffer()).fill(0);
    const bytes = await post(world, "hello").bytes();
    return [
      await clone.text(),
      await copy.text(),
      bytes.byteOffset,
      bytes.buffer.byteLength,
      bytes.constructor.name,
    ];
  },
  "bodies: bytes are copied when they are given": async () => {
    const bytes = new Uint8Array([104, 105]);
    const responses = [
      new Response(bytes),
      new Response(bytes.buffer),
      new Response(new DataView(bytes.buffer, 1)),
    ];
    bytes.fill(97);
    return Promise.all(responses.map((response) => response.text()));
  },
  "bodies: views": () =>
    Promise.all(
      [
        new Uint8Array([1, 2, 3]).subarray(1),
        new Uint16Array([1, 2]),
        new ArrayBuffer(3),
        new DataView(new ArrayBuffer(4), 1, 2),
        Buffer.from("xyz"),
        new Float64Array(1),
      ].map((view) => new Response(view).bytes()),
    ),
  "bodies: shared memory is no bytes": async () => [
    await kind(() => new Response(new SharedArrayBuffer(1) as unknown as ArrayBuffer).text()),
    await kind(() => new Response(new Uint8Array(new SharedArrayBuffer(1))).text()),
  ],
  "bodies: a detached buffer": async () => {
    const buffer = new ArrayBuffer(4);
    structuredClone(buffer, { transfer: [buffer] });
    return [await new Response(buffer).bytes()];
  },
  "bodies: other things become text": async () => [
    await new Response(1 as unknown as string).text(),
    await new Response(true as unknown as string).text(),
    await new Response({ toString: () => "mine" } as unknown as string).text(),
    await new Response([1, 2] as unknown as string).text(),
    await new Response((() => 1) as unknown as string).text(),
    await kind(() => new Response(Symbol("a") as unknown as string)),
  ],
  "bodies: URLSearchParams": async () => {
    const params = new URLSearchParams({ a: "ü b", c: "&" });
    const response = new Response(params);
    params.set("a", "changed");
    return [await response.clone().text(), await entriesOf(await response.formData())];
  },
  "bodies: Blob": async () => {
    const response = new Response(new Blob(["he", "llo"], { type: "Text/HTML;charset=UTF-8" }));
    const blob = await response.clone().blob();
    return [[...response.headers], blob.type, await blob.text(), await response.text()];
  },
  "bodies: FormData": async () => {
    const form = new FormData();
    form.append('a"b\r\nc', "line\nline\rline\r\n");
    form.append("file", new File(["content"], 'n"a\nme.txt', { type: "text/plain" }));
    form.append("blob", new Blob(["b"]));
    const response = new Response(form);
    const type = response.headers.get("content-type")!;
    const boundary = /boundary=(.+)$/.exec(type)![1]!;
    const text = await response.clone().text();
    return [
      type.replace(boundary, "B"),
      text.replaceAll(boundary, "B"),
      await entriesOf(await response.formData()),
    ];
  },
  "bodies: FormData of a request": async () => {
    const form = new FormData();
    form.set("a", "b");
    const request = new Request("http://a/", { method: "POST", body: form });
    return entriesOf(await request.formData());
  },
  "bodies: multipart that comes": async (world) =>
    entriesOf(await post(world, MULTIPART, BOUNDARY).formData()),
  "bodies: multipart that is broken": async (world) => [
    await kind(() => post(world, "nothing", BOUNDARY).formData()),
    await kind(() => post(world, MULTIPART, "multipart/form-data").formData()),
    await kind(() => post(world, MULTIPART.slice(0, 60), BOUNDARY).formData()),
  ],
  "bodies: urlencoded that comes": async (world) => [
    await entriesOf(await post(world, "a=1&b=%C3%BC+x&a=2", "application/x-www-form-urlencoded").formData()),
    await entriesOf(await post(world, "a=1", "application/x-www-form-urlencoded;charset=utf-8").formData()),
    await entriesOf(await post(world, "", "application/x-www-form-urlencoded").formData()),
  ],
  "bodies: formData of another type is refused": (world) =>
    Promise.all(["text/plain", "", "x"].map((type) => attempt(() => post(world, "a=1", type).formData()))),
  "bodies: the type of a blob": async (world) =>
    Promise.all(
      [
        "text/plain",
        "Text/Plain; Charset=UTF-8",
        "a/b, c/d",
        'a/b;x="y;z"',
        "nonsense",
        "",
        "*/*",
        "text/html;charset=x, text/html",
        "image/svg+xml",
      ].map(async (type) => (await post(world, "x", type).blob()).type),
    ),
  "bodies: the content type counts when the body is read": async () => {
    const response = new Response("a=b");
    response.headers.set("content-type", "application/x-www-form-urlencoded");
    const blob = new Response("x");
    blob.headers.delete("content-type");
    return [await entriesOf(await response.formData()), (await blob.blob()).type];
  },
  "bodies: async iterables": async () => {
    const generator = async function* () {
      yield Buffer.from("a");
      yield new Uint8Array();
      yield new Uint8Array([98]);
      yield "c" as unknown as Uint8Array;
    };
    const response = new Response(generator());
    return [
      [...response.headers],
      await response.text(),
      await new Response(Readable.from([Buffer.from("x"), Buffer.from("y")])).text(),
    ];
  },
  "bodies: an async iterable that fails": () =>
    attempt(() =>
      new Response(
        (async function* () {
          yield Buffer.from("a");
          throw new RangeError("broken");
        })(),
      ).text(),
    ),
  "bodies: textStream": async (world) => {
    const pieces: string[] = [];
    for await (const piece of post(world, "hel€lo").textStream()) pieces.push(piece);
    const used = new Response("x");
    await used.text();
    const empty = await new Response(null).textStream().getReader().read();
    return [pieces.join(""), await attempt(() => used.textStream()), empty];
  },
  "bodies: reading twice at once": async (world) => {
    const request = post(world, "hello");
    return Promise.all([attempt(() => request.text()), attempt(() => request.text())]);
  },
};
