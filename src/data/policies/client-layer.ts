// A layer between an action and the client: sees and may change the response on its way out. One object per exchange;
// the layer of the first policy is the last one before the connection. Runs in data threads.

import type { ClientStream, ClientTls, ResponseHead, TunnelEnd } from "../../core/exchange.ts";
import type { HeaderList } from "../../core/headers.ts";
import type { ConnectionEnds } from "../../core/ip.ts";

/** Passes everything on. A layer overrides what it is there for; what it overrides it passes on by `next`. */
export abstract class ClientLayer implements ClientStream {
  protected readonly next: ClientStream;

  constructor(next: ClientStream) {
    this.next = next;
  }

  get ends(): ConnectionEnds {
    return this.next.ends;
  }

  get tls(): ClientTls | null {
    return this.next.tls;
  }

  resumeBody(): void {
    this.next.resumeBody();
  }

  pauseBody(): void {
    this.next.pauseBody();
  }

  sendInformational(head: ResponseHead): void {
    this.next.sendInformational(head);
  }

  sendHead(head: ResponseHead, body: Buffer | null, last: boolean, lent = false): boolean {
    return this.next.sendHead(head, body, last, lent);
  }

  sendBody(chunk: Buffer, lent = false): boolean {
    return this.next.sendBody(chunk, lent);
  }

  sendEnd(trailers: HeaderList | null): void {
    this.next.sendEnd(trailers);
  }

  cut(): void {
    this.next.cut();
  }

  switchProtocols(head: ResponseHead, protocol: string): TunnelEnd {
    return this.next.switchProtocols(head, protocol);
  }

  finishTunnel(): void {
    this.next.finishTunnel();
  }

  finished(): void {
    this.next.finished();
  }
}
