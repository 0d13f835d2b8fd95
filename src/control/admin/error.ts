// Why the admin API does not do what it was asked for: thrown by what serves a request, and sent as JSON. Control thread.

export class AdminError extends Error {
  readonly status: number;
  /** For programs; the message is for people. */
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

export function errorBody({ code, message }: { code: string; message: string }): string {
  return JSON.stringify({ error: { code, message } });
}
