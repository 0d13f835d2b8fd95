// The handler that is compared, as Sluice, Bun, Deno and workerd run it: the path of a URL, or the body of a POST back.

export default {
  async fetch(request: Request): Promise<Response> {
    if (request.method === "POST") return Response.json(await request.json());
    return Response.json({ hello: "world", path: new URL(request.url).pathname });
  },
};
