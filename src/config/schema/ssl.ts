// The section `ssl`, and the one of a listener: TLS towards clients. Runs anywhere.

import { z } from "zod";
import { choice, duration, oneOrMore, text, textLike, truth, wholeNumber } from "../values.ts";

/** YAML reads `1.2` as a number. */
function version() {
  const error = 'expected "1.2" or "1.3"';
  const written = z.union([z.literal(["1.2", "1.3"]), z.literal([1.2, 1.3])], { error });
  return written.transform((value) => `TLSv${value}` as "TLSv1.2" | "TLSv1.3");
}

const pair = z.strictObject({
  cert_file: text().describe("Certificate (PEM), and those between it and its authority behind it."),
  key_file: text().describe("Its private key (PEM), without a passphrase."),
});

/** What a listener may have of its own. */
const settings = {
  cert_file: text()
    .optional()
    .describe(
      "Certificate (PEM), and those between it and its authority behind it: for clients that ask for no other name.",
    ),
  key_file: text().optional().describe("Its private key (PEM), without a passphrase."),
  certificates: z
    .array(pair)
    .min(1, { error: "expected at least one certificate" })
    .optional()
    .describe(
      "Further certificates, each for the names that are in it. Without `cert_file` the first is the default.",
    ),
  min_version: version().optional().describe("Lowest version of TLS: `1.2` or `1.3`. Default: `1.2`."),
  max_version: version().optional().describe("Highest version of TLS: `1.2` or `1.3`. Default: `1.3`."),
  ciphers: oneOrMore(text(), "expected the names of ciphers")
    .optional()
    .describe(
      "Ciphers as OpenSSL names them; those that begin with `TLS_` are of TLS 1.3. Default: Mozilla's intermediate list.",
    ),
  curves: oneOrMore(text(), "expected the names of curves")
    .optional()
    .describe(
      "Groups for the key exchange, the preferred one first. Default: `X25519MLKEM768`, `X25519`, `P-256`, `P-384`.",
    ),
  client_ca: text()
    .optional()
    .describe("Authorities (PEM) of client certificates. With it, clients are asked for one."),
  client_auth: choice(["require", "optional"])
    .optional()
    .describe("Whether a client without a certificate is let in. Default: `require`."),
} as const;

export const listenerSsl = z
  .strictObject(settings)
  .describe(
    "As in `ssl`, for this listener, which speaks TLS then. Its certificates stand in for all of `ssl`.",
  );

export const ssl = z
  .strictObject({
    enabled: truth()
      .prefault(false)
      .describe("Listeners speak TLS, unless they say otherwise (`server.listeners[].tls`)."),
    ...settings,
    redirect_http: truth()
      .prefault(false)
      .describe("Plain listeners send clients to https (308), but for `/.well-known/acme-challenge/`."),
    redirect_port: wholeNumber(1, 65535)
      .optional()
      .describe("Port that clients find https at. Without it, that of the first TLS listener."),
    hsts: z
      .strictObject({
        enabled: truth().prefault(true).describe("`false` turns it off and keeps the section."),
        max_age: wholeNumber(0, Number.MAX_SAFE_INTEGER)
          .prefault(31_536_000)
          .describe("Seconds in which browsers come over https only; 0 makes them forget it."),
        include_subdomains: truth().prefault(false).describe("Also to every name below."),
        preload: truth().prefault(false).describe("The name may be in the lists that browsers come with."),
      })
      .optional()
      .describe("Strict-Transport-Security in every response over TLS that has none yet."),
    ocsp: z
      .strictObject({
        enabled: truth().prefault(true).describe("`false` turns stapling off."),
        responder: textLike(/^http:\/\/[\x21-\x7e]+$/, "expected an address that begins with http://")
          .optional()
          .describe("Address to ask, instead of the one that is in the certificate."),
        timeout: duration("above 0").prefault("10s").describe("How long an answer may take."),
      })
      .prefault({})
      .describe("OCSP stapling, for certificates that name a responder."),
  })
  .describe("TLS towards clients (docs/tls.md).");
