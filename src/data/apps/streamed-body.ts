// The body of a response that a VM sends piece by piece, at the pace of the client: what it may send is granted when the
// client has taken what came before. Runs in data threads.

import { GatewayError } from "../../core/errors.ts";
import { type Exchange, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { FrameType, RESPONSE_WINDOW_BYTES } from "../../wire/frames.ts";
import type { VmLink } from "./vm-link.ts";

export class StreamedBody {
  readonly #exchange: Exchange;
  readonly #link: VmLink;
  readonly #stream: number;
  /** As the head says. */
  readonly #declared: number;
  /** What the VM may still send. */
  #window = RESPONSE_WINDOW_BYTES;
  /** Since credit was granted last. */
  #taken = 0;
  #bytes = 0;
  /** The client takes nothing more for now. */
  slow = false;

  constructor(exchange: Exchange, link: VmLink, stream: number, declared: number) {
    this.#exchange = exchange;
    this.#link = link;
    this.#stream = stream;
    this.#declared = declared;
  }

  /** A piece that goes out now. Returns as text what no VM should send, and a GatewayError for what the app did wrong. */
  onPiece(bytes: number): string | GatewayError | null {
    this.#window -= bytes;
    if (this.#window < 0) return "more of a body than there was credit for";
    this.#bytes += bytes;
    if (this.#declared === UNKNOWN_LENGTH || this.#bytes <= this.#declared) return null;
    const message = `a body of more than the ${this.#declared} bytes that its head says`;
    return new GatewayError("app_response_invalid", message);
  }

  /** `flows`: the client takes more. */
  sent(bytes: number, flows: boolean): void {
    this.#taken += bytes;
    if (!flows) this.slow = true;
    this.#grant();
  }

  /** The client has taken all. */
  drained(): void {
    this.slow = false;
    this.#grant();
  }

  /** Returns what is wrong where the body ends now, or null. */
  atEnd(): string | null {
    if (this.#bytes >= this.#declared || this.#exchange.request.method === "HEAD") return null;
    return `a body of ${this.#bytes} bytes where its head says ${this.#declared}`;
  }

  #grant(): void {
    if (this.slow || this.#taken < RESPONSE_WINDOW_BYTES / 2) return;
    this.#link.writer.number(FrameType.credit, this.#stream, this.#taken);
    this.#window += this.#taken;
    this.#taken = 0;
  }
}
