// What the TLS connections of a listener have in common: certificates, versions, and who the clients are. Made once per
// snapshot. Runs in data threads.

import { createSecureContext, type SecureContext } from "node:tls";
import type { CertificateSpec, ListenerTls } from "../../config/snapshot.ts";
import type { ClientTls } from "../../core/exchange.ts";
import { PROTOCOLS } from "../serve.ts";
import { type AcceptedHandle, onReadOf, type SocketReader } from "../socket.ts";
import { type ServerSocketOptions, TlsServerSocket } from "./server-socket.ts";

/** Each name behind its length (RFC 7301 section 3.1). */
const ALPN = Buffer.from(PROTOCOLS.map((name) => String.fromCharCode(name.length) + name).join(""), "latin1");

export class TlsServer {
  readonly #options: ServerSocketOptions;

  /** Throws where the certificates cannot be used. */
  constructor(spec: ListenerTls) {
    const [first] = spec.certificates;
    this.#options = {
      secureContext: contextOf(first!),
      ALPNProtocols: ALPN,
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

function contextOf({ cert, key }: CertificateSpec): SecureContext {
  // An empty list, or the authorities of the system would be loaded, and asked for nothing.
  return createSecureContext({ cert, key, ca: [], minVersion: "TLSv1.2" });
}
