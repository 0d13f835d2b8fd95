// What a client did wrong, as the close code that says so (RFC 6455 section 7.4.1). Runs in data threads.

export interface Fault {
  readonly code: number;
  readonly reason: string;
  /** It went beyond a limit of the app. */
  readonly limit: boolean;
}

const TOO_LONG = ["WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH"];

/** Of an error of `ws`. */
export function faultOf(error: Error, maxMessageBytes: number): Fault {
  const { code = "" } = error as { readonly code?: string };
  if (TOO_LONG.includes(code))
    return { code: 1009, reason: `a message of more than ${maxMessageBytes} bytes`, limit: true };
  if (code === "WS_ERR_TOO_MANY_BUFFERED_PARTS")
    return { code: 1009, reason: "a message in too many pieces", limit: true };
  const reason = error.message.replace("Invalid WebSocket frame: ", "");
  // What cannot be inflated has a code of zlib.
  const isData = code === "WS_ERR_INVALID_UTF8" || code.startsWith("Z_");
  return { code: isData ? 1007 : 1002, reason, limit: false };
}
