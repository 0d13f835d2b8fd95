// The link of a VM to one data thread: makes exchanges of the streams that the data thread opens. Runs in VMs.

import { Socket } from "node:net";
import { FrameReader, type FrameSink } from "../wire/frame-reader.ts";
import { FrameWriter } from "../wire/frame-writer.ts";
import { FrameType } from "../wire/frames.ts";
import { requestIdOf } from "../wire/request-id.ts";
import { StreamTable } from "../wire/stream-table.ts";
import { SentHeads } from "./sent-heads.ts";
import { Served } from "./served.ts";
import type { Turns } from "./turns.ts";

const READ_BUFFER_BYTES = 65_536;
/** All links of a VM read into one buffer: a payload is valid during its call only. */
const readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);

/** What hears of the frames of a stream. */
export interface LinkUser {
  onFrame(type: number, bytes: Buffer, start: number, end: number): void;
  onLinkEnded(): void;
}

export class GatewayLink implements FrameSink {
  readonly writer: FrameWriter;
  readonly sentHeads = new SentHeads();
  readonly turns: Turns;
  readonly #socket: Socket;
  readonly #reader = new FrameReader(this);
  readonly #users = new StreamTable<LinkUser>();
  readonly #key: string;
  /** Empty until the other end has proved that it is a data thread. */
  #name = "";
  #lastAsk = 0;
  #closed = false;

  constructor(handed: Socket, turns: Turns, key: string) {
    this.turns = turns;
    this.#key = key;
    this.#socket = ownSocket(handed, (chunk) => this.#receive(chunk));
    this.#socket.on("error", () => this.#socket.destroy());
    this.#socket.on("close", () => this.#ended());
    this.writer = new FrameWriter(this.#socket);
    this.#socket.resume();
  }

  /** Of the request on a stream, as the data thread makes it too. */
  requestId(stream: number): string {
    return requestIdOf(this.#name, stream);
  }

  /** Another one hears of the stream from now on. */
  handOver(stream: number, user: LinkUser): void {
    this.#users.set(stream, user);
  }

  forget(stream: number): void {
    this.#users.delete(stream);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Begins a stream to an upstream. Returns its number. Throws where there are too many. */
  openAsk(user: LinkUser): number {
    this.turns.beginAsk();
    this.#lastAsk += 2;
    this.#users.set(this.#lastAsk, user);
    return this.#lastAsk;
  }

  endAsk(stream: number): void {
    if (this.#users.delete(stream)) this.turns.endAsk();
  }

  onFrame(type: number, stream: number, bytes: Buffer, start: number, end: number): string | null {
    if (this.#name === "") return this.#introduced(type, bytes.toString("latin1", start, end));
    const user = this.#users.get(stream);
    if (user !== undefined) {
      user.onFrame(type, bytes, start, end);
      if (type === FrameType.abort || type === FrameType.close) this.#acknowledge(type, stream);
    } else if (type === FrameType.head && stream % 2 === 1) {
      const served = new Served(this, stream);
      this.#users.set(stream, served);
      served.begin(bytes, start, end);
    } else if (type === FrameType.ping) {
      this.writer.bytes(FrameType.pong, 0, bytes.subarray(start, end));
      this.writer.flush();
    }
    return null;
  }

  /** The data thread has said its last, and wants to hear that nothing more comes on the stream. */
  #acknowledge(type: number, stream: number): void {
    if (type === FrameType.abort) this.#users.delete(stream);
    if (stream % 2 === 1 && !this.#users.has(stream)) this.writer.empty(FrameType.abort, stream);
  }

  /** Anybody may have found the socket: only the gateway knows the key. */
  #introduced(type: number, text: string): string | null {
    if (type !== FrameType.name || !text.startsWith(this.#key)) return "no key";
    this.#name = text.slice(this.#key.length);
    this.turns.work.linkOpened();
    return null;
  }

  #receive(chunk: Buffer): void {
    const fault = this.#reader.feed(chunk);
    if (fault === null) return;
    if (this.#name === "") this.#socket.destroy();
    else throw new Error(`the gateway sent ${fault}`);
  }

  #ended(): void {
    this.#closed = true;
    for (const [, user] of this.#users.entries()) user.onLinkEnded();
    this.#users.clear();
    if (this.#name !== "") this.turns.work.linkEnded();
  }
}

/** The connection that was handed over, on a socket that reads into the common buffer. */
function ownSocket(handed: Socket, receive: (chunk: Buffer) => void): Socket {
  const owner = handed as unknown as { _handle: (object & { onread: () => void }) | null };
  const handle = owner._handle;
  if (handle !== null) handle.onread = () => {};
  owner._handle = null;
  const onread = {
    buffer: readBuffer,
    callback: (bytes: number): boolean => {
      receive(readBuffer.subarray(0, bytes));
      return true;
    },
  };
  return new Socket({ handle, onread } as unknown as ConstructorParameters<typeof Socket>[0]);
}
