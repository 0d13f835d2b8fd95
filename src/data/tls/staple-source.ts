// Gives the OCSP response of the certificate that a client is shown to the handshake, which asks for it as one of `node:tls`
// asks its server: by an event. Runs in data threads.

import { hash } from "node:crypto";
import { EventEmitter } from "node:events";
import type { SecureContext } from "node:tls";

type Answer = (error: Error | null, response?: Buffer) => void;

export class StapleSource extends EventEmitter {
  /** Asked for by `node:tls`: the context of who is shown no other certificate. */
  readonly _sharedCreds: SecureContext;

  /** `staples` are in DER, by the SHA-256 of the certificate. */
  constructor(standard: SecureContext, staples: ReadonlyMap<string, Buffer>) {
    super();
    this._sharedCreds = standard;
    this.on("OCSPRequest", (certificate: Buffer, _issuer: Buffer, answer: Answer) => {
      answer(null, staples.get(hash("sha256", certificate, "hex")));
    });
  }
}
