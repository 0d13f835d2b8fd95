// Text of any kind as the value of a header field: what a person or a token is called may be in any script. Anywhere.

const PLAIN = /^(?!UTF-8'')(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?$/;

/**
 * Visible ASCII, with spaces inside, as it is. Anything else, which a field cannot hold or every reader reads in another
 * way, as RFC 8187 has it: `UTF-8''J%C3%BCrgen`.
 */
export function fieldText(text: string): string {
  return PLAIN.test(text)
    ? text
    : `UTF-8''${encodeURIComponent(text.toWellFormed()).replace(/[!'()*]/g, escaped)}`;
}

function escaped(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
}
