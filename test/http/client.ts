// A client that sends what a test says, and reads answers with the strict reading. Runs in tests.

import { RawConnection } from "../support/raw.ts";
import { type Field, type Framing, readChunked, readResponse, valuesOf } from "./strict-reading.ts";

export interface Answer {
  readonly status: number;
  readonly version: string;
  readonly fields: readonly Field[];
  readonly framing: Framing;
  readonly body: string;
  readonly trailers: readonly Field[];
}

export class Client {
  readonly connection: RawConnection;
  /** Bytes of the answers that were read. */
  #used = 0;

  static async connect(port: number): Promise<Client> {
    return new Client(await RawConnection.connect(port));
  }

  constructor(connection: RawConnection) {
    this.connection = connection;
  }

  send(text: string): void {
    this.connection.write(text);
  }

  /** What came behind the answers that were read. */
  get unread(): string {
    return this.connection.text.slice(this.#used);
  }

  /** The next answer, to a request of that method; 1xx are answers too. Takes exactly its bytes. */
  async answer(method = "GET"): Promise<Answer> {
    for (;;) {
      const text = this.unread;
      const found = wholeAnswer(text, method);
      if (found?.answer.framing === "until close") {
        if ((await this.connection.untilGone()) === "reset")
          throw new Error(`reset behind ${JSON.stringify(text)}`);
        const { answer } = wholeAnswer(this.unread, method)!;
        this.#used = this.connection.length;
        return answer;
      }
      if (found !== null) {
        this.#used += text.length - found.rest.length;
        return found.answer;
      }
      await this.connection.untilBytes(this.#used + text.length + 1);
    }
  }

  /** Resolves with what lies behind the answers that were read, when the gateway has closed the connection. */
  async ended(): Promise<string> {
    await this.connection.untilEnd();
    return this.unread;
  }

  close(): void {
    this.connection.destroy();
  }
}

/** Sends a text on a connection of its own, and resolves with the first answer and what followed until the end. */
export async function ask(
  port: number,
  text: string,
  method = /^[A-Z]*/.exec(text)![0],
): Promise<{ answer: Answer; after: string; client: Client }> {
  const client = await Client.connect(port);
  client.send(text);
  const answer = await client.answer(method);
  if (valuesOf(answer.fields, "connection").includes("close")) await client.ended();
  const after = client.unread;
  client.close();
  return { answer, after, client };
}

function wholeAnswer(text: string, method: string): { answer: Answer; rest: string } | null {
  if (!text.includes("\r\n\r\n")) return null;
  const head = readResponse(text, method);
  if (head === null) throw new Error(`the gateway sent a malformed response: ${JSON.stringify(text)}`);
  const { rest, ...about } = head;
  if (about.framing === "until close") return { answer: { ...about, body: rest, trailers: [] }, rest: "" };
  if (about.framing === "chunked") {
    const body = readChunked(rest);
    if (body === null) return null;
    return { answer: { ...about, body: body.data, trailers: body.trailers }, rest: body.rest };
  }
  if (rest.length < about.framing) return null;
  const body = rest.slice(0, about.framing);
  return { answer: { ...about, body, trailers: [] }, rest: rest.slice(about.framing) };
}
