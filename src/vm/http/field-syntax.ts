// What may be the name and the value of a header field, as WebIDL and the fetch standard have it. VM processes.

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** A value that needs no second look: nothing to trim, nothing to refuse, nothing that the wire would refuse. */
const PLAIN_VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;
const FORBIDDEN = /[\0\r\n]/;
const SPACE_AROUND = /^[\t\n\r ]+|[\t\n\r ]+$/g;

export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** Whether the field can stand in a message: RFC 9110 section 5.5 refuses controls that the fetch standard lets pass. */
export function isSendable(value: string): boolean {
  return PLAIN_VALUE.test(value);
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

/** The value without space around it. Throws TypeError. */
export function fieldValue(value: unknown, operation: string): string {
  if (typeof value === "string" && PLAIN_VALUE.test(value)) return value;
  const text = byteString(value, `${operation}: value`).replace(SPACE_AROUND, "");
  if (!FORBIDDEN.test(text)) return text;
  throw new TypeError(`${operation}: "${text}" is an invalid header value.`);
}
