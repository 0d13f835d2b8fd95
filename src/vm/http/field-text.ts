// Finds one field in the text of many, without reading the others. VM processes.

const COLON = 58;

/** The name stands more than once. */
export const MANY = Symbol("many");

/** `name` is in lower case; `text` is `name: value\r\n` for each field. Null when it is not there. */
export function findField(text: string, name: string): string | null | typeof MANY {
  const { length } = name;
  let found: string | null = null;
  let at = 0;
  while (at < text.length) {
    const end = endOfLine(text, at);
    // A name has no colon inside: where one follows after as many characters, few names are worth a closer look.
    if (text.charCodeAt(at + length) === COLON) {
      const given = text.slice(at, at + length);
      if (given === name || given.toLowerCase() === name) {
        if (found !== null) return MANY;
        found = text.slice(at + length + 2, end);
      }
    }
    at = end + 2;
  }
  return found;
}

/** Throws Error: the link made this text, so it is a bug. */
export function endOfLine(text: string, at: number): number {
  const end = text.indexOf("\r\n", at);
  if (end !== -1) return end;
  throw new Error(
    `Cannot read the header field ${JSON.stringify(text.slice(at))}: expected it to end with CRLF`,
  );
}
