// The gateway's side of a client's TLS connection. Runs in data threads.
//
// `node:tls` puts a TLS socket upon a whole `net.Socket`, and then reads into a new buffer each time. Here it stands upon
// the accepted handle itself, as that of `tls.connect` does: one socket, and the read buffer of the thread.

import { writeSync } from "node:fs";
import { type SecureContext, TLSSocket, type TLSSocketOptions } from "node:tls";
import type { AcceptedHandle, onReadOf } from "../socket.ts";
import type { StapleSource } from "./staple-source.ts";

/** What is the same for every connection of a listener; copied for each, so it is small. */
export interface ServerSocketOptions {
  readonly secureContext: SecureContext;
  /** As in the protocol: each name behind its length. */
  readonly ALPNProtocols: Buffer;
  readonly requestCert: boolean;
  readonly rejectUnauthorized: boolean;
  /** What asks about OCSP responses, where there are any. */
  readonly server?: StapleSource;
  readonly SNICallback?: TLSSocketOptions["SNICallback"];
}

/** Of `node:net`: the handle of a TCP connection. */
interface TcpHandle extends AcceptedHandle {
  readonly bytesRead: number;
  close(callback?: () => void): unknown;
  /** Closes with a reset; not 0 where it cannot. */
  reset(callback?: () => void): number;
}

/** Of `node:tls`: the handle of a TLS connection, above that of TCP. */
interface TlsHandle {
  readonly fd: number;
  readonly _parent: TcpHandle;
  receive(bytes: Buffer): void;
  verifyError(): { readonly code: string; readonly message: string } | null;
}

interface PrivateParts {
  readonly _handle: TlsHandle | null;
  readonly _tlsOptions: { readonly accepted: AcceptedHandle };
  /** `node:http2` waits while it is set. */
  secureConnecting: boolean;
  _releaseControl(): boolean;
}

type WrapHandle = (this: TLSSocket, wrap: null, handle: AcceptedHandle, isWriting: false) => unknown;
const { _wrapHandle: wrapHandle } = TLSSocket.prototype as unknown as { readonly _wrapHandle: WrapHandle };

/** Half-open, as `acceptSocket` has it. At "secure" the handshake is over; an "error" before that is one of it. */
export class TlsServerSocket extends TLSSocket {
  constructor(accepted: AcceptedHandle, options: ServerSocketOptions, onread: ReturnType<typeof onReadOf>) {
    accepted.setNoDelay(true);
    const own = { ...options, isServer: true, allowHalfOpen: true, accepted, onread };
    super(undefined as never, own as unknown as TLSSocketOptions);
    // Without a socket below it, it thinks that it has still to connect.
    (this as { connecting: boolean }).connecting = false;
    this.disableRenegotiation();
  }

  /** Called by the constructor of the base, for the handle that everything goes through. */
  protected _wrapHandle(): unknown {
    return wrapHandle.call(this, null, partsOf(this)._tlsOptions.accepted, false);
  }

  /** Bytes that were read from the connection before it was a TLS connection. */
  receiveEarly(bytes: Buffer): void {
    partsOf(this)._handle?.receive(bytes);
  }

  /** Encrypted ones, handshake included. */
  get rawBytesRead(): number {
    return partsOf(this)._handle?._parent.bytesRead ?? 0;
  }

  /** Past TLS, to a client that does not speak it. Few enough bytes for the kernel to take them at once. */
  sendPlain(text: string): void {
    try {
      writeSync(partsOf(this)._handle?.fd ?? -1, text);
    } catch {
      // The client has gone, and needs no answer.
    }
  }

  /** What is wrong with the client's certificate, in a word of OpenSSL; empty where nothing is, or it sent none. */
  get certificateFault(): string {
    return partsOf(this)._handle?.verifyError()?.code ?? "";
  }

  /** From now on an error of TLS is an "error", and the connection is there for a protocol. */
  handshakeAccepted(): void {
    partsOf(this).secureConnecting = false;
    partsOf(this)._releaseControl();
  }

  /** That of `node:net` is for plain TCP alone. */
  override resetAndDestroy(): this {
    const tcp = partsOf(this)._handle?._parent;
    if (tcp !== undefined) {
      const close = tcp.close;
      tcp.close = (callback) => {
        if (tcp.reset(callback) !== 0) close.call(tcp, callback);
      };
    }
    return this.destroy();
  }
}

/** Not a private member: the constructor of the base asks before there are any. */
function partsOf(socket: TlsServerSocket): PrivateParts {
  return socket as unknown as PrivateParts;
}
