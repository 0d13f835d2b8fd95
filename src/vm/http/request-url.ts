// The URL of a request as the URL standard writes it. VM processes.

/** A path and a query of characters that the URL parser leaves as they are. */
const SETTLED = /^\/[\w!$&'()*+,\-:;=@~%./]*(?:\?[\w!$&()*+,\-.:;=@~%/?]*)?$/;
/** What may begin a dot segment, which the URL parser takes away. */
const DOTS = /\/(?:\.|%2e)/i;

/** Nearly every request of a VM names the same origin: what it looks like in the URL standard's form. */
let given = "";
let settled = "";

/** `url` is absolute, of http or https. What the URL parser refuses stays as it is. */
export function settleUrl(url: string): string {
  const pathAt = url.indexOf("/", url.indexOf("://") + 3);
  const path = url.slice(pathAt);
  if (pathAt === -1 || !SETTLED.test(path) || DOTS.test(path)) return URL.parse(url)?.href ?? url;
  const origin = url.slice(0, pathAt);
  if (origin !== given) {
    given = origin;
    settled = URL.parse(origin)?.origin ?? origin;
  }
  return settled === origin ? url : settled + path;
}
