// What may be the name and the value of a header field, as WebIDL and the fetch standard have it. VM processes.

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** A value that needs no second look: nothing to trim, nothing to refuse, nothing that the wire would refuse. */
const PLAIN_VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;
const SPACE = "\t\n\r ";
const FORBIDDEN = /[\0\r\n]/;

export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** Whether both are what they have to be, as they are: nearly always. */
export function isPlainField(name: unknown, value: unknown): boolean {
  return typeof name === "string" && typeof value === "string" && TOKEN.test(name) && PLAIN_VALUE.test(value);
}

/** `value` as a string of characters up to U+00FF. Throws TypeError. */
export function byteString(value: unknown, place: string): string {
  if (typeof value === "symbol") {
    throw new TypeError(`${place} is a symbol, which cannot be converted to a ByteString.`);
  }
  const text = String(value);
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > 255) {
      throw new TypeError(
        `Cannot convert argument to a ByteString because the character at index ${index} has a value of ${code} which is greater than 255.`,
      );
    }
  }
  return text;
}

/** The name as it was written. Throws TypeError. */
export function fieldName(name: unknown, operation: string): string {
  if (typeof name === "string" && TOKEN.test(name)) return name;
  const text = byteString(name, `${operation}: name`);
  if (TOKEN.test(text)) return text;
  throw new TypeError(`${operation}: "${text}" is an invalid header name.`);
}

/** Name and value as text, the value without space around it. In the order of the native class. Throws TypeError. */
export function readField(name: unknown, value: unknown, operation: string): [name: string, value: string] {
  const nameText = byteString(name, `${operation}: name`);
  const text = trimmed(byteString(value, `${operation}: value`));
  fieldName(nameText, operation);
  if (!FORBIDDEN.test(text)) return [nameText, text];
  throw new TypeError(`${operation}: "${text}" is an invalid header value.`);
}

/** By hand: a regular expression for the end takes the square of the spaces inside. */
function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (end > start && SPACE.includes(text[end - 1]!)) end--;
  while (end > start && SPACE.includes(text[start]!)) start++;
  return text.slice(start, end);
}
