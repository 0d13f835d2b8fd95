// The link of a data thread to one VM: opens streams, hands what comes on them to their exchanges, and counts what is
// under way. A VM that sends rubbish loses its link. Runs in data threads.

import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { GatewayError } from "../../core/errors.ts";
import type { Exchange } from "../../core/exchange.ts";
import type { AppState } from "../../core/shared/app-state.ts";
import type { VmAddress } from "../../wire/control.ts";
import { FrameReader, type FrameSink, readNumber } from "../../wire/frame-reader.ts";
import { FrameWriter } from "../../wire/frame-writer.ts";
import { FrameType, HEAD_ENDS, MAX_HELD } from "../../wire/frames.ts";
import { requestIdOf } from "../../wire/request-id.ts";
import { StreamTable } from "../../wire/stream-table.ts";
import { failExchange } from "../pipeline.ts";
import { connectSocket } from "../socket.ts";
import type { ThreadContext } from "../thread-context.ts";
import { type Asker, askerOf } from "./asker.ts";
import { EndingStream } from "./ending-stream.ts";
import { readLastWords } from "./last-words.ts";
import { LinkWatch } from "./link-watch.ts";
import { ResponseReader } from "./response-reader.ts";

/** An exchange on a stream. After `onLinkEnded` it hears nothing more. */
export interface StreamUser {
  /** Any frame of its stream. The payload is valid during the call only. Returns what is wrong with it, or null. */
  onFrame(type: number, bytes: Buffer, start: number, end: number): string | null;
  /** `onFrame` threw, of a stream that is no client's: a bug ends it, and none of the others at the VM. */
  onBug?(error: GatewayError): void;
  /** `isUnread`: the VM has read nothing of the stream. */
  onLinkEnded(why: string, isUnread: boolean): void;
  /** Of a client, or null. */
  readonly exchange: Exchange | null;
}

/** Streams that a VM opens, to ask an upstream. */
export interface VmStreams {
  /** At a time, on one link. */
  readonly most: number;
  /** The user gets the head next. */
  open(link: VmLink, stream: number): StreamUser;
}

export interface LinkSetting {
  readonly thread: ThreadContext;
  readonly state: AppState;
  readonly streams: VmStreams;
  /** It has had as many streams as there are numbers: it takes no more, and closes when the last one is over. */
  readonly onUsedUp: (link: VmLink) => void;
  /**
   * The link is gone, and its streams are told next. `lost`: it was not retired before. `fault`: what the VM sent that
   * no VM should, or null.
   */
  readonly onEnded: (link: VmLink, lost: boolean, fault: string | null) => void;
}

const LAST_STREAM = 0xffff_fffd;

export class VmLink implements FrameSink {
  readonly address: VmAddress;
  /** For logs. */
  readonly label: string;
  readonly writer: FrameWriter;
  readonly responses = new ResponseReader();
  /** It takes new exchanges. */
  open = true;
  /** What is under way may end, and then it closes. */
  retired = false;
  readonly #setting: LinkSetting;
  readonly #socket: Socket;
  readonly #frames = new FrameReader(this);
  readonly #name = randomBytes(6).toString("hex");
  readonly #watch: LinkWatch;
  readonly #users = new StreamTable<StreamUser>();
  /** Streams that go on without a place at the VM. */
  readonly #placeless = new Set<number>();
  /** Exchanges that the VM may ask upstreams for also when they are over, by their streams. */
  readonly #held = new Map<number, Asker>();
  /** The last one that was opened here. */
  lastStream = -1;
  #lastOfVm = 0;
  #openedByVm = 0;
  #ended = false;

  constructor(address: VmAddress, setting: LinkSetting) {
    this.address = address;
    this.label = `vm ${address.id}`;
    this.#setting = setting;
    const { thread } = setting;
    const receive = (chunk: Buffer) => this.#receive(chunk);
    this.#socket = connectSocket({ host: "", port: 0, socketPath: address.path }, null, thread.readBuffer, {
      receive,
      failed: (bug) => this.#end(`a bug of the gateway: ${String(bug)}`),
    });
    readLastWords(this.#socket, receive);
    this.#socket.on("error", (error) => this.#end(error.message));
    this.#socket.on("close", () => this.#end("the VM closed its link"));
    this.writer = new FrameWriter(this.#socket);
    this.writer.text(FrameType.name, 0, address.key + this.#name);
    this.#watch = new LinkWatch(this, thread);
    this.#watch.begin();
  }

  /** Exchanges under way. */
  get streams(): number {
    return this.#users.size;
  }

  /** Of the request on a stream, as the VM makes it too. */
  requestId(stream: number): string {
    return requestIdOf(this.#name, stream);
  }

  /** Of all data threads at this VM. */
  get outstanding(): number {
    return this.#setting.state.outstanding(this.address.slot);
  }

  /** Takes a place at the VM, unless `most` exchanges are there. It is given back by `forget`. */
  tryAcquire(most: number): boolean {
    return this.#setting.state.tryAcquire(this.address.slot, this.#setting.thread.index, most);
  }

  /** An exchange waits for an answer. */
  get waits(): boolean {
    return this.#users.size > this.#placeless.size;
  }

  /** Begins a stream for who has a place. Returns its number. */
  begin(user: StreamUser): number {
    this.lastStream += 2;
    this.#users.set(this.lastStream, user);
    if (!this.#watch.active) this.#watch.start();
    if (this.lastStream >= LAST_STREAM) {
      this.retire();
      this.#setting.onUsedUp(this);
    }
    return this.lastStream;
  }

  /** The stream goes on, and does not count any more: it may go on for ever. */
  givePlaceBack(stream: number): void {
    if (!this.#users.has(stream) || this.#placeless.has(stream)) return;
    this.#placeless.add(stream);
    this.#setting.state.release(this.address.slot, this.#setting.thread.index);
  }

  /** The VM has said its last on the stream: nothing may come on it any more. */
  forget(stream: number): void {
    if (!this.#users.delete(stream)) return;
    if (stream % 2 === 0) this.#openedByVm--;
    else if (this.#placeless.size === 0 || !this.#placeless.delete(stream))
      this.#setting.state.release(this.address.slot, this.#setting.thread.index);
    this.#endIfDone();
  }

  /** Whose exchange is on a stream of this link, or was and is held; null for one that nobody knows any more. */
  askerOn(stream: number): Asker | null {
    return this.#users.get(stream)?.exchange ?? this.#held.get(stream) ?? null;
  }

  /** Another one hears of the stream from now on. Its place at the VM is given back. */
  handOver(stream: number, user: StreamUser): void {
    this.givePlaceBack(stream);
    this.#users.set(stream, user);
  }

  /** This side has said its last, and the VM not yet: what it still sends is left alone. */
  leave(stream: number): void {
    const user = this.#users.get(stream);
    if (user === undefined) return;
    if (stream % 2 === 1) this.#users.set(stream, new EndingStream(user.exchange, this.responses));
    else this.forget(stream);
  }

  abort(stream: number, why: string): void {
    if (!this.#users.has(stream)) return;
    this.writer.text(FrameType.abort, stream, why);
    this.leave(stream);
  }

  /** Takes no more exchanges, and closes when the last one is over. */
  retire(): void {
    this.open = false;
    this.retired = true;
    this.#endIfDone();
  }

  /** Ends at once. */
  cut(why: string): void {
    this.#end(why);
  }

  onFrame(type: number, stream: number, bytes: Buffer, start: number, end: number): string | null {
    if (type === FrameType.hold) return this.#onHold(stream, bytes[start]!);
    const user = this.#users.get(stream);
    if (user !== undefined) {
      const fault = this.#tell(user, type, stream, bytes, start, end);
      if (fault === null && stream % 2 === 1 && isLastWord(type, bytes, start)) this.forget(stream);
      return fault;
    }
    if (stream === 0) return this.#onLinkFrame(type, bytes, start);
    if (stream % 2 === 1) {
      const what = stream <= this.lastStream ? "is over" : "was never opened";
      return `a frame of type ${type} on stream ${stream}, which ${what}`;
    }
    if (stream <= this.#lastOfVm) return null;
    if (type !== FrameType.head) return `a frame of type ${type} on stream ${stream}, which was never opened`;
    const { streams } = this.#setting;
    if (this.#openedByVm >= streams.most) return `more than ${streams.most} streams at a time`;
    this.#lastOfVm = stream;
    this.#openedByVm++;
    const opened = streams.open(this, stream);
    this.#users.set(stream, opened);
    return this.#tell(opened, type, stream, bytes, start, end);
  }

  /** A bug in one exchange is none of the others at the VM. */
  #tell(
    user: StreamUser,
    type: number,
    stream: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): string | null {
    try {
      return user.onFrame(type, bytes, start, end);
    } catch (bug) {
      const error = new GatewayError("internal", "an error in the gateway itself", bug);
      if (user.onBug !== undefined) user.onBug(error);
      else if (user.exchange !== null) {
        this.abort(stream, "internal");
        failExchange(user.exchange, error);
      } else throw bug;
      return null;
    }
  }

  #onHold(stream: number, wanted: number): string | null {
    if (stream % 2 === 0 || stream > this.lastStream) return `stream ${stream} held, which is no exchange`;
    if (wanted === 0) {
      this.#held.delete(stream);
      this.#endIfDone();
      return null;
    }
    if (wanted !== 1) return "a hold that is neither 0 nor 1";
    // Null for one that was aborted meanwhile: its client is not known any more.
    const exchange = this.#users.get(stream)?.exchange ?? null;
    if (exchange === null) return null;
    if (this.#held.size < MAX_HELD) this.#held.set(stream, askerOf(exchange));
    return null;
  }

  #endIfDone(): void {
    if (!this.open && this.#users.size === 0 && this.#held.size === 0) this.#end("retired");
  }

  #onLinkFrame(type: number, bytes: Buffer, start: number): string | null {
    if (type === FrameType.pong) return this.#watch.onPong(readNumber(bytes, start));
    if (type !== FrameType.drain) return `a frame of type ${type}, which is not for VMs to send`;
    this.retire();
    return null;
  }

  #receive(chunk: Buffer): void {
    if (this.#ended) return;
    const fault = this.#frames.feed(chunk);
    if (fault !== null) this.#end(fault, fault);
  }

  #end(why: string, fault: string | null = null): void {
    if (this.#ended) return;
    this.#ended = true;
    const lost = this.open;
    this.open = false;
    this.#socket.destroy();
    this.#held.clear();
    this.#watch.stop();
    const users = this.#users.entries();
    for (const [stream] of users) this.forget(stream);
    this.#setting.onEnded(this, lost, fault);
    for (const [stream, user] of users) user.onLinkEnded(why, this.#watch.isUnread(stream));
  }
}

/** After it a VM sends nothing more on the stream of an exchange. */
function isLastWord(type: number, bytes: Buffer, start: number): boolean {
  if (type === FrameType.head) return (bytes[start]! & HEAD_ENDS) !== 0;
  return type === FrameType.end || type === FrameType.abort;
}
