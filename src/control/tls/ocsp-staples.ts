// What OCSP responders say of the certificates that clients are shown, for the handshakes of the data threads: asked for ahead
// of time, kept while it is good, asked for again before it ends. Control thread.

import type { OcspSpec } from "../../config/compile.ts";
import type { CertificateSpec, ListenerSpec } from "../../config/snapshot.ts";
import type { OcspStaple } from "../../wire/control.ts";
import type { Log } from "../log.ts";
import { OcspSubject } from "./ocsp-message.ts";
import { askResponder } from "./ocsp-responder.ts";

/** After a failure, and at the soonest. */
const RETRY_MS = 5 * 60_000;
const LEAST_MS = 60_000;
/** `setTimeout` takes no more. */
const MOST_MS = 24 * 60 * 60_000;

export class OcspStaples {
  readonly #log: Log;
  readonly #onChange: () => void;
  /** By the id of the certificate, and the responder. */
  #asked = new Map<string, AskedCertificate>();

  constructor(log: Log, onChange: () => void) {
    this.#log = log;
    this.#onChange = onChange;
  }

  get current(): OcspStaple[] {
    return [...this.#asked.values()].flatMap(({ id, response }) =>
      response === null ? [] : [{ id, response }],
    );
  }

  /** The certificates from now on; of those that stay, so does what is known. */
  follow(listeners: readonly ListenerSpec[], spec: OcspSpec | null): void {
    const before = this.#asked;
    this.#asked = new Map();
    for (const certificate of listeners.flatMap(({ tls }) =>
      spec === null ? [] : (tls?.certificates ?? []),
    )) {
      const key = `${certificate.id} ${spec!.responder} ${spec!.timeoutMs}`;
      if (this.#asked.has(key)) continue;
      const asked = before.get(key) ?? this.#ask(certificate, spec!);
      if (asked !== null) this.#asked.set(key, asked);
    }
    const gone = [...before.entries()].filter(([key]) => !this.#asked.has(key));
    for (const [, asked] of gone) asked.stop();
    if (gone.some(([, { response }]) => response !== null)) this.#onChange();
  }

  stop(): void {
    for (const asked of this.#asked.values()) asked.stop();
    this.#asked.clear();
  }

  /** Null where there is nobody to ask. */
  #ask(certificate: CertificateSpec, { responder, timeoutMs }: OcspSpec): AskedCertificate | null {
    const subject = OcspSubject.of(certificate.cert);
    const url = responder ?? subject?.responder ?? null;
    if (subject === null && responder !== null)
      this.#log.warn(
        `no OCSP stapling for ${JSON.stringify(certificate.file)}: expected the certificate of its authority behind it`,
      );
    if (subject === null || url === null) return null;
    const place = { url, timeoutMs, log: this.#log, onChange: () => this.#onChange() };
    return new AskedCertificate(certificate, subject, place);
  }
}

interface Place {
  readonly url: string;
  readonly timeoutMs: number;
  readonly log: Log;
  readonly onChange: () => void;
}

class AskedCertificate {
  readonly id: string;
  /** DER; null while nothing good is known. */
  response: Buffer | null = null;
  readonly #file: string;
  readonly #subject: OcspSubject;
  readonly #place: Place;
  #untilMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor({ id, file }: CertificateSpec, subject: OcspSubject, place: Place) {
    this.id = id;
    this.#file = file;
    this.#subject = subject;
    this.#place = place;
    void this.#refresh();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async #refresh(): Promise<void> {
    const fault = await this.#fetch();
    if (this.#isStopped) return;
    const now = Date.now();
    let waitMs = (this.#untilMs - now) / 2;
    if (fault !== null) {
      this.#place.log.warn(
        { responder: this.#place.url },
        `no OCSP response for ${JSON.stringify(this.#file)}: ${fault}`,
      );
      if (this.response !== null && this.#untilMs <= now) {
        this.response = null;
        this.#place.onChange();
      }
      // What is known holds to its end, and not longer.
      waitMs = this.response === null ? RETRY_MS : Math.min(RETRY_MS, this.#untilMs - now);
    }
    const delay = fault === null ? Math.max(LEAST_MS, Math.min(waitMs, MOST_MS)) : Math.max(1000, waitMs);
    this.#timer = setTimeout(() => void this.#refresh(), delay).unref();
  }

  /** Returns what went wrong, or null. */
  async #fetch(): Promise<string | null> {
    const { url, timeoutMs, onChange } = this.#place;
    let answer: Buffer;
    try {
      answer = await askResponder(url, this.#subject.request, timeoutMs);
    } catch (error) {
      return (error as Error).message;
    }
    const read = this.#subject.read(answer, Date.now());
    if ("fault" in read) return read.fault;
    if (this.#isStopped) return null;
    this.#untilMs = read.untilMs;
    const isNew = this.response?.equals(answer) !== true;
    this.response = answer;
    if (isNew) onChange();
    return null;
  }
}
