// The handler of the demo, as a user would write one. Runs in a VM.

let visits = 0;

export default {
  fetch(request: Request): Response {
    const { pathname, searchParams } = new URL(request.url);
    visits++;
    return Response.json({ hello: searchParams.get("name") ?? "world", path: pathname, visits });
  },
};
