// A handler: gets a Request, returns a Response. `npx sluice serve examples/hello/hello.ts` runs it by itself.

export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    return Response.json({ hello: "world", path: pathname });
  },
};
