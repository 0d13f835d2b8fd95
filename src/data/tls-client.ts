// What the TLS connections of one pool have in common: the certificates, the name that the backend has to prove, and a
// session with which the next handshake is a short one. Runs in data threads.

import { writeSync } from "node:fs";
import { isIP, type Socket, type TcpNetConnectOpts } from "node:net";
import { constants } from "node:os";
import {
  type ConnectionOptions,
  checkServerIdentity,
  connect,
  createSecureContext,
  type PeerCertificate,
  type TLSSocket,
} from "node:tls";
import type { BackendSpec, BackendTls } from "../config/snapshot.ts";
import { trustSystem } from "../wire/authorities.ts";

/** A session stands for a certificate that was checked: this long, and not past its end. */
const MAX_SESSION_MS = 24 * 60 * 60 * 1000;
/** Names of a certificate that messages show, in characters. */
const SHOWN_NAMES = 200;

export class TlsClient {
  /** What the certificate of the backend has to be for. */
  readonly name: string;
  readonly #options: ConnectionOptions;
  #session: Buffer | undefined;
  #sessionUntil = 0;

  /** Throws where the certificates of the file cannot be used. */
  constructor(
    tls: BackendTls,
    { id, hostName }: Pick<BackendSpec, "id" | "hostName">,
    protocol = "http/1.1",
  ) {
    const { ca, cert, key, serverName, verify } = tls;
    this.name = (serverName ?? hostName).replace(/\.$/, "");
    if (ca === null && verify) trustSystem();
    try {
      this.#options = {
        secureContext: createSecureContext({
          ca: ca ?? undefined,
          cert: cert ?? undefined,
          key: key ?? undefined,
          minVersion: "TLSv1.2",
        }),
        rejectUnauthorized: verify,
        checkServerIdentity: (_host, certificate) => this.#checkName(certificate),
        ALPNProtocols: [protocol],
      };
    } catch (error) {
      const { message } = error as Error;
      throw new Error(`cannot use the certificates of backend "${id}": ${message}`, { cause: error });
    }
    // SNI is for names only (RFC 6066 section 3).
    if (isIP(this.name) === 0) this.#options.servername = this.name;
  }

  /** Its TLS handshake begins with "connect", behind the listeners that were prepended; at "secureConnect" it is usable. */
  connect(place: Partial<TcpNetConnectOpts> | { readonly path: string }): TLSSocket {
    const session = Date.now() < this.#sessionUntil ? this.#session : undefined;
    const socket = connect({ ...this.#options, ...place, session });
    let secure = false;
    let early: Buffer | undefined;
    socket.once("secureConnect", () => {
      secure = true;
      if (!socket.isSessionReused()) this.#sessionUntil = this.#endOfSessions(socket);
      this.#session = early ?? this.#session;
    });
    // Only who listens from the start gets those of TLS 1.2. One of a handshake that fails yet would pass for a good one.
    socket.on("session", (fresh) => {
      if (secure) this.#session = fresh;
      else early = fresh;
    });
    socket.once("close", () => {
      // It may be the session that the backend cannot stand.
      if (!secure) this.#session = undefined;
    });
    return socket;
  }

  #endOfSessions(socket: TLSSocket): number {
    const latest = Date.now() + MAX_SESSION_MS;
    if (this.#options.rejectUnauthorized === false) return latest;
    return Math.min(latest, socket.getPeerX509Certificate()?.validToDate.getTime() ?? 0);
  }

  #checkName(certificate: PeerCertificate): Error | undefined {
    if (checkServerIdentity(this.name, certificate) === undefined) return undefined;
    const { subjectaltname, subject } = certificate;
    const names = (subjectaltname ?? `CN:${subject?.CN ?? ""}`).slice(0, SHOWN_NAMES);
    return new Error(`its certificate is for ${names}: expected "${this.name}"`);
  }
}

/** Writes to the connection below, at "connect". */
export function sendBeforeHandshake(socket: Socket, bytes: Buffer): void {
  const { fd = -1 } = handleOf(socket) ?? {};
  try {
    // Nothing was sent yet, so that the kernel takes these few bytes at once.
    const sent = writeSync(fd, bytes);
    if (sent < bytes.length) throw new Error(`only ${sent} of the first ${bytes.length} bytes could be sent`);
  } catch (error) {
    socket.destroy(error as Error);
  }
}

/**
 * Whether the backend said that it ends here (close_notify), asked at "end". Without that the TCP connection has ended,
 * which anybody on the way can bring about. Node emits the same for both; but libuv stops reading at the end of TCP alone.
 */
export function endedByNotice(socket: Socket): boolean {
  // Who does not read sees no end of TCP: the notice came together with the bytes that made it stop reading.
  return socket.isPaused() || handleOf(socket)?._parent.readStart() === STILL_READING;
}

const STILL_READING = -constants.errno.EALREADY;

/** Of `node:tls`: the handle, and that of the connection below. */
interface TlsHandle {
  readonly fd: number;
  readonly _parent: { readStart(): number };
}

function handleOf(socket: Socket): TlsHandle | null {
  return (socket as unknown as { readonly _handle: TlsHandle | null })._handle;
}
