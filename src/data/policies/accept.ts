// What of an Accept field speaks for an error page (RFC 9110 section 12.5.1). Data threads.

/**
 * Whether the client gets the page rather than what there is without it, which is mostly JSON: its type is named, or anything
 * will do and JSON is not named. Browsers name HTML; programs that ask for JSON go on getting it.
 */
export function acceptsPage(accept: string | null, mediaType: string): boolean {
  if (accept === null || accept.trim() === "") return true;
  const kind = `${mediaType.slice(0, mediaType.indexOf("/"))}/*`;
  let takesAll = false;
  let namesPage = false;
  let namesJson = false;
  for (const element of accept.toLowerCase().split(",")) {
    const [range = "", ...parameters] = element.split(";").map((part) => part.trim());
    const refuses = parameters.some((parameter) => /^q\s*=\s*0(?:\.0*)?$/.test(parameter));
    if (range === mediaType && refuses) return false;
    if (refuses) continue;
    if (range === mediaType || range === kind) namesPage = true;
    else if (range === "*/*") takesAll = true;
    else if (range === "application/json" || range.endsWith("+json")) namesJson = true;
  }
  return namesPage || (takesAll && !namesJson);
}
