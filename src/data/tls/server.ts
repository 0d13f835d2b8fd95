// What the TLS connections of a listener have in common: certificates, versions, and who the clients are. Made once per
// snapshot. Runs in data threads.

import { createHash } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import { isDeepStrictEqual } from "node:util";
import type { CertificateSpec, ListenerTls } from "../../config/snapshot.ts";
import type { ClientTls } from "../../core/exchange.ts";
import { type AcceptedHandle, onReadOf, type SocketReader } from "../socket.ts";
import { clientFault, nameOfSubject } from "./client-certificate.ts";
import { NamedContexts } from "./named-contexts.ts";
import { type ServerSocketOptions, TlsServerSocket } from "./server-socket.ts";
import { StapleSource } from "./staple-source.ts";
import type { TlsState } from "./state.ts";

/** How long a session may be resumed: what was checked of a client certificate holds as long. */
const SESSION_SECONDS = 300;

export class TlsServer {
  readonly #spec: ListenerTls;
  readonly #protocols: readonly string[];
  readonly #contexts: readonly SecureContext[];
  readonly #plainOptions: ServerSocketOptions;
  #options: ServerSocketOptions;
  #ticketKeys: Buffer;

  /** `protocols` are offered by ALPN. Throws where the certificates cannot be used. */
  constructor(spec: ListenerTls, protocols: readonly string[], state: TlsState) {
    this.#spec = spec;
    this.#protocols = protocols;
    this.#contexts = spec.certificates.map((certificate) => contextOf(certificate, spec, state));
    const options = {
      secureContext: this.#contexts[0]!,
      ALPNProtocols: alpnOf(protocols),
      requestCert: spec.client !== null,
      rejectUnauthorized: spec.client?.required === true,
    };
    // Asked in every whole handshake, so it is there only where there is something to choose.
    if (spec.certificates.length === 1) this.#plainOptions = options;
    else {
      const names = spec.certificates.map((certificate) => certificate.names);
      const contexts = new NamedContexts(names, this.#contexts);
      this.#plainOptions = { ...options, SNICallback: (name, answer) => answer(null, contexts.of(name)) };
    }
    this.#options = this.#plainOptions;
    this.#ticketKeys = state.ticketKeys;
    this.#adoptStaples(state);
  }

  /** Whether it would be made the same. A spec that was cloned is equal, and not the same object. */
  isFor(spec: ListenerTls, protocols: readonly string[]): boolean {
    return isDeepStrictEqual([spec, protocols], [this.#spec, this.#protocols]);
  }

  /** New connections get tickets of the keys, and old tickets lead to a whole handshake. */
  adopt(state: TlsState): void {
    if (!state.ticketKeys.equals(this.#ticketKeys)) {
      this.#ticketKeys = state.ticketKeys;
      for (const { context } of this.#contexts) (context as NativeContext).setTicketKeys(state.ticketKeys);
    }
    this.#adoptStaples(state);
  }

  #adoptStaples({ staples }: TlsState): void {
    const hasAny = this.#spec.certificates.some(({ id }) => staples.has(id));
    const options = this.#plainOptions;
    this.#options = hasAny
      ? { ...options, server: new StapleSource(options.secureContext, staples) }
      : options;
  }

  /** Begins the handshake; at "secure" it is over. */
  accept(accepted: AcceptedHandle, buffer: Buffer, reader: SocketReader): TlsServerSocket {
    return new TlsServerSocket(accepted, this.#options, onReadOf(buffer, reader));
  }

  /** Who the client is; or, as text, why its certificate is not taken. */
  clientOf(socket: TlsServerSocket): ClientTls | string {
    let [subject, fingerprint] = ["", ""];
    if (this.#spec.client !== null) {
      const certificate = socket.getPeerX509Certificate();
      if (certificate === undefined) {
        if (this.#spec.client.required) return "the client sent no certificate";
      } else {
        const { certificateFault } = socket;
        if (certificateFault !== "") return clientFault(certificateFault);
        subject = nameOfSubject(certificate.subject);
        fingerprint = certificate.fingerprint256.replaceAll(":", "").toLowerCase();
      }
    }
    return {
      version: socket.getProtocol() ?? "",
      cipher: socket.getCipher().name,
      serverName: serverNameOf(socket),
      subject,
      fingerprint,
      verified: fingerprint !== "",
    };
  }
}

/** Each name behind its length (RFC 7301 section 3.1). */
function alpnOf(names: readonly string[]): Buffer {
  return Buffer.from(names.map((name) => String.fromCharCode(name.length) + name).join(""), "latin1");
}

/** Of `node:tls`. */
interface NativeContext {
  setTicketKeys(keys: Buffer): void;
}

function contextOf(certificate: CertificateSpec, spec: ListenerTls, { ticketKeys }: TlsState): SecureContext {
  const { cert, key, file } = certificate;
  const { client, minVersion, maxVersion, ciphers, curves } = spec;
  try {
    return createSecureContext({
      cert,
      key,
      // An empty list, or the authorities of the system would be loaded for nothing.
      ca: client === null ? [] : client.ca,
      minVersion,
      maxVersion,
      ciphers,
      ecdhCurve: curves,
      ticketKeys,
      sessionTimeout: SESSION_SECONDS,
      sessionIdContext: sessionContext(spec),
    });
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`cannot use the certificate ${JSON.stringify(file)}: ${message}`, { cause: error });
  }
}

/** A session is good only where its client would have been asked the same. */
function sessionContext({ client }: ListenerTls): string {
  return createHash("sha256").update(JSON.stringify(client)).digest("hex").slice(0, 32);
}

/** What may stand in a header field of it. */
function serverNameOf(socket: TlsServerSocket): string {
  const { servername } = socket as { readonly servername?: string | false | null };
  return typeof servername === "string" ? servername.toLowerCase().replace(/[^\x21-\x7e]/g, "?") : "";
}
