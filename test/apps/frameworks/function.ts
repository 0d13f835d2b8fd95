// The API of frameworks.test.ts as a plain function. Runs in a VM.

async function* pieces(): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for (const piece of ["one ", "two ", "three"]) {
    yield encoder.encode(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function answer(request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  const [, first, name] = pathname.split("/");
  switch (`${request.method} /${first}`) {
    case "GET /hello":
      return Response.json({ hello: name, q: searchParams.get("q") });
    case "POST /echo":
      return Response.json(await request.json(), { status: 201 });
    case "POST /length":
      return new Response(String((await request.arrayBuffer()).byteLength));
    case "GET /stream":
      return new Response(ReadableStream.from(pieces()));
    default:
      return new Response("nothing here", { status: 404 });
  }
}

export default async (request: Request): Promise<Response> => {
  const response = await answer(request);
  response.headers.set("X-Framework", "function");
  return response;
};
