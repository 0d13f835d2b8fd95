// The parts of `ws` that speak the protocol, which its types leave out. Runs in data threads.

import type { Writable } from "node:stream";
import * as ws from "ws";

/** Reads frames: emits "message" (Buffer, whether it is binary), "ping", "pong", "conclude" (code, reason) and "error". */
export type Receiver = Writable;

/** What a sender writes to. */
export interface FrameOutput {
  readonly destroyed: boolean;
  cork(): void;
  uncork(): void;
  write(piece: Buffer, done?: () => void): void;
}

export interface Sender {
  send(
    data: Buffer,
    options: {
      readonly fin: boolean;
      readonly binary: boolean;
      readonly compress: boolean;
      readonly mask: false;
    },
    done?: () => void,
  ): void;
  ping(data: Buffer, mask: false): void;
  pong(data: Buffer, mask: false): void;
  /** Without a code the frame is empty. */
  close(code: number | undefined, reason: string, mask: false, done: () => void): void;
}

/** Of permessage-deflate (RFC 7692), for one connection. */
export interface Deflate {
  /** Throws where none of the offers can be accepted. */
  accept(offers: unknown[]): unknown;
  cleanup(): void;
}

/** By the name of the extension. */
export type Extensions = Readonly<Record<string, Deflate>>;

interface Halves {
  readonly Receiver: new (options: {
    readonly isServer: true;
    readonly extensions: Extensions;
    readonly maxPayload: number;
    readonly maxFragments: number;
    readonly maxBufferedChunks: number;
  }) => Receiver;
  readonly Sender: new (output: FrameOutput, extensions: Extensions) => Sender;
  readonly PerMessageDeflate: new (options: {
    readonly isServer: true;
    readonly maxPayload: number;
    readonly serverNoContextTakeover: true;
    readonly clientNoContextTakeover: true;
  }) => Deflate;
  /** Both parsers throw SyntaxError. */
  readonly extension: {
    parse(header: string): Record<string, unknown[]>;
    format(accepted: Record<string, unknown>): string;
  };
  readonly subprotocol: { parse(header: string): Set<string> };
}

export const { Receiver, Sender, PerMessageDeflate, extension, subprotocol } = ws as unknown as Halves;

/** Also the key under which a receiver and a sender look for it. */
export const DEFLATE = "permessage-deflate";
