// What the TLS connections of a listener have in common: certificates, versions, and who the clients are. Made once per
// snapshot. Runs in data threads.

import { createSecureContext, type SecureContext } from "node:tls";
import type { CertificateSpec, ListenerTls } from "../../config/snapshot.ts";
import type { ClientTls } from "../../core/exchange.ts";
import { tlsProtocols } from "../serve.ts";
import { type AcceptedHandle, onReadOf, type SocketReader } from "../socket.ts";
import { type ServerSocketOptions, TlsServerSocket } from "./server-socket.ts";

export class TlsServer {
  readonly #options: ServerSocketOptions;

  /** Throws where the certificates cannot be used. `http2` is whether that is offered. */
  constructor(spec: ListenerTls, http2: boolean) {
    const [first] = spec.certificates;
    this.#options = {
      secureContext: contextOf(first!),
      ALPNProtocols: alpnOf(tlsProtocols(http2)),
      requestCert: false,
      rejectUnauthorized: false,
    };
  }

  /** Begins the handshake; at "secure" it is over. */
  accept(accepted: AcceptedHandle, buffer: Buffer, reader: SocketReader): TlsServerSocket {
    return new TlsServerSocket(accepted, this.#options, onReadOf(buffer, reader));
  }

  /** Who the client is, or why it is not let in. */
  clientOf(socket: TlsServerSocket): ClientTls | string {
    return {
      version: socket.getProtocol() ?? "",
      cipher: socket.getCipher().name,
      serverName: (socket as { servername?: string | false }).servername || "",
      subject: "",
      fingerprint: "",
      verified: false,
    };
  }
}

/** Each name behind its length (RFC 7301 section 3.1). */
function alpnOf(names: readonly string[]): Buffer {
  return Buffer.from(names.map((name) => String.fromCharCode(name.length) + name).join(""), "latin1");
}

function contextOf({ cert, key }: CertificateSpec): SecureContext {
  // An empty list, or the authorities of the system would be loaded, and asked for nothing.
  return createSecureContext({ cert, key, ca: [], minVersion: "TLSv1.2" });
}
