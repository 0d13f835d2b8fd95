// The section `ssl`: TLS towards clients. Runs anywhere.

import { z } from "zod";
import { text, truth } from "../values.ts";

export const ssl = z
  .strictObject({
    enabled: truth()
      .prefault(false)
      .describe("Listeners speak TLS, unless they say otherwise (`server.listeners[].tls`)."),
    cert_file: text()
      .optional()
      .describe("Certificate (PEM), and those between it and its authority behind it."),
    key_file: text().optional().describe("Its private key (PEM), without a passphrase."),
  })
  .describe("TLS towards clients (docs/tls.md).");
