// Character classes of RFC 9110 section 5 and RFC 9112 as byte tables: 1 where the byte is allowed.

function tableOf(allowed: (byte: number) => boolean): Uint8Array {
  const table = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) table[byte] = allowed(byte) ? 1 : 0;
  return table;
}

const TOKEN_MARKS = "!#$%&'*+-.^_`|~";

function isAlphanumeric(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
}

/** tchar: methods and field names (RFC 9110 section 5.6.2). */
export const TOKEN = tableOf(
  (byte) => isAlphanumeric(byte) || TOKEN_MARKS.includes(String.fromCharCode(byte)),
);

/** field-vchar, SP and HTAB: field values and reason phrases (RFC 9110 section 5.5). */
export const VALUE = tableOf((byte) => byte === 0x09 || (byte >= 0x20 && byte !== 0x7f));

/** Visible ASCII: request targets. */
export const VISIBLE = tableOf((byte) => byte > 0x20 && byte < 0x7f);

/** Names and addresses of a Host field, without port and brackets: registered names as clients send them. */
export const HOST = tableOf(
  (byte) => isAlphanumeric(byte) || byte === 0x2d || byte === 0x2e || byte === 0x5f,
);

/** Value of a hexadecimal digit, or 255. */
export const HEX = new Uint8Array(256).fill(255);
for (let digit = 0; digit < 16; digit++) {
  const text = digit.toString(16);
  HEX[text.charCodeAt(0)] = digit;
  HEX[text.toUpperCase().charCodeAt(0)] = digit;
}

export const CR = 0x0d;
export const LF = 0x0a;
export const SP = 0x20;
export const HTAB = 0x09;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;

/** Whether all of `text` is in `table`, and there is at least one character. */
export function isAll(table: Uint8Array, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (table[text.charCodeAt(i)] !== 1) return false;
  return text.length > 0;
}
