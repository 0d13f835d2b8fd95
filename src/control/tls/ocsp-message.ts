// What is asked of an OCSP responder, and what it answers (RFC 6960). Control thread.

import { createHash, X509Certificate } from "node:crypto";
import {
  BasicOCSPResponse,
  CertID,
  OCSPRequest,
  OCSPResponse,
  OCSPResponseStatus,
  Request,
  type SingleResponse,
  TBSRequest,
} from "@peculiar/asn1-ocsp";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import { AlgorithmIdentifier, Certificate } from "@peculiar/asn1-x509";

const SHA1 = "1.3.14.3.2.26";
const BASIC_RESPONSE = "1.3.6.1.5.5.7.48.1.1";
/** A clock may be wrong by this. */
const LEEWAY_MS = 5 * 60_000;
/** How long an answer is good that does not say it. */
const STANDARD_LIFE_MS = 60 * 60_000;
const BLOCK = /-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs;

/** A certificate that a responder can be asked about. */
export class OcspSubject {
  /** DER, for the body of a request. */
  readonly request: Buffer;
  /** The responder that the certificate names, or null. */
  readonly responder: string | null;
  readonly #id: CertID;

  /** `chain` is PEM: the certificate, and that of its authority behind it. Null where that is missing. */
  static of(chain: string): OcspSubject | null {
    const [leaf, ...others] = (chain.match(BLOCK) ?? []).map((pem) => new X509Certificate(pem));
    const issuer = others.find((other) => leaf!.checkIssued(other));
    return leaf === undefined || issuer === undefined ? null : new OcspSubject(leaf, issuer);
  }

  private constructor(leaf: X509Certificate, issuer: X509Certificate) {
    const { subject, subjectPublicKeyInfo } = AsnConvert.parse(issuer.raw, Certificate).tbsCertificate;
    this.#id = new CertID({
      hashAlgorithm: new AlgorithmIdentifier({ algorithm: SHA1, parameters: null }),
      issuerNameHash: new OctetString(sha1(AsnConvert.serialize(subject))),
      issuerKeyHash: new OctetString(sha1(subjectPublicKeyInfo.subjectPublicKey)),
      serialNumber: AsnConvert.parse(leaf.raw, Certificate).tbsCertificate.serialNumber,
    });
    const request = new OCSPRequest({
      tbsRequest: new TBSRequest({ requestList: [new Request({ reqCert: this.#id })] }),
    });
    this.request = Buffer.from(AsnConvert.serialize(request));
    this.responder = /^OCSP - URI:(http:\/\/\S+)$/m.exec(leaf.infoAccess ?? "")?.[1] ?? null;
  }

  /**
   * Until when the answer is good, in milliseconds since 1970; or what is wrong with it. Its signature is for clients to look
   * at, who know whom they trust.
   */
  read(answer: Buffer, nowMs: number): { readonly untilMs: number } | { readonly fault: string } {
    let single: SingleResponse | undefined;
    try {
      const response = AsnConvert.parse(answer, OCSPResponse);
      const { responseStatus, responseBytes } = response;
      if (responseStatus !== OCSPResponseStatus.successful || responseBytes === undefined)
        return { fault: `it answers ${OCSPResponseStatus[responseStatus] ?? "with an unknown status"}` };
      if (responseBytes.responseType !== BASIC_RESPONSE) return { fault: "its answer is of an unknown kind" };
      const { responses } = AsnConvert.parse(responseBytes.response, BasicOCSPResponse).tbsResponseData;
      single = responses.find(({ certID }) => this.#isSubject(certID));
    } catch {
      return { fault: "its answer is no OCSP response" };
    }
    if (single === undefined) return { fault: "its answer is about another certificate" };
    const { certStatus, thisUpdate, nextUpdate } = single;
    if (certStatus.revoked !== undefined) return { fault: "the certificate was revoked" };
    if (certStatus.good === undefined) return { fault: "it does not know the certificate" };
    const untilMs = nextUpdate?.getTime() ?? thisUpdate.getTime() + STANDARD_LIFE_MS;
    if (thisUpdate.getTime() > nowMs + LEEWAY_MS || untilMs <= nowMs)
      return { fault: "its answer is not of this time" };
    return { untilMs };
  }

  #isSubject({ serialNumber, issuerKeyHash }: CertID): boolean {
    return (
      Buffer.from(serialNumber).equals(Buffer.from(this.#id.serialNumber)) &&
      Buffer.from(issuerKeyHash.buffer).equals(Buffer.from(this.#id.issuerKeyHash.buffer))
    );
  }
}

function sha1(bytes: ArrayBuffer): Buffer {
  return createHash("sha1").update(Buffer.from(bytes)).digest();
}
