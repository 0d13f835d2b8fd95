// A proxy in a handler: it picks the upstream, changes the request, and changes what comes back. Bodies that it does not look
// into stream through.

import type { Handler, UpstreamBinding } from "sluice";

interface Bindings {
  readonly shop: UpstreamBinding;
  readonly beta: UpstreamBinding;
}

export default {
  async fetch(request, { shop, beta }) {
    const url = new URL(request.url);
    // The shop was moved: what is /shop/… to clients is /v2/… to the backends.
    url.pathname = url.pathname.replace(/^\/shop\//, "/v2/");
    const asked = new Request(url, request);
    // What is to be read here must not be compressed.
    asked.headers.delete("accept-encoding");
    const wantsBeta = /(?:^|; )beta=1(?:;|$)/.test(request.headers.get("cookie") ?? "");
    const response = wantsBeta ? await betaOr(shop, beta, asked) : await shop.fetch(asked);
    if (response.headers.get("content-type")?.startsWith("text/html") !== true) return response;
    const page = (await response.text()).replace("</body>", "<p>Free delivery this week</p></body>");
    const changed = new Response(page, response);
    changed.headers.delete("etag");
    return changed;
  },
} satisfies Handler<Bindings>;

/** Who tries the beta gets the shop where the beta is down. A body can be sent once only. */
async function betaOr(shop: UpstreamBinding, beta: UpstreamBinding, asked: Request): Promise<Response> {
  if (asked.body !== null) return await beta.fetch(asked);
  try {
    return await beta.fetch(asked.clone());
  } catch (error) {
    console.warn("the beta gave no response:", error);
    return await shop.fetch(asked);
  }
}
