// The URL of a request as the URL standard writes it. VM processes.

/**
 * A path and a query of characters that the URL parser leaves as they are, without what may begin a dot segment, which it
 * takes away.
 */
const SETTLED = /(?:\/(?!\.|%2)[\w!$&'()*+,\-:;=@~%.]*)+(?:\?[\w!$&()*+,\-.:;=@~%/?]*)?$/y;

/** Nearly every request of a VM names the same origin, here with a slash behind it: what it is in the standard's form. */
let given = "";
let settled = "";

/** `url` is absolute, of http or https. What the URL parser refuses stays as it is. */
export function settleUrl(url: string): string {
  if (given === "" || !url.startsWith(given)) {
    const pathAt = url.indexOf("/", url.indexOf("://") + 3);
    if (pathAt === -1) return parsed(url);
    given = url.slice(0, pathAt + 1);
    settled = parsed(given);
  }
  SETTLED.lastIndex = given.length - 1;
  if (!SETTLED.test(url)) return parsed(url);
  return settled === given ? url : settled + url.slice(given.length);
}

function parsed(url: string): string {
  return URL.parse(url)?.href ?? url;
}
