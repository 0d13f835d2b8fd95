// The section `admin` (`grpc` in older files). Runs anywhere.

import { z } from "zod";
import { host, textLike, truth, wholeNumber } from "../values.ts";

export const admin = z.strictObject({
  enabled: truth().prefault(true).describe("`false` turns it off and keeps the section."),
  host: host().prefault("127.0.0.1").describe("Address to listen on."),
  port: wholeNumber(0, 65535).prefault(9091).describe("Port to listen on; 0 for any that is free."),
  token: textLike(
    /^[\x21-\x7e]{16,}$/,
    "expected at least 16 visible ASCII characters (in quotes where YAML reads a number)",
  )
    .optional()
    .describe(
      "Bearer token that changes need, and everything on an address that is not loopback. Without it, one is made and kept in the state folder.",
    ),
  open: truth()
    .prefault(false)
    .describe("`true` lets changes pass without a token, on a loopback address only."),
  allowed_hosts: z
    .array(host())
    .prefault([])
    .describe("Names by which the admin API may be asked for, beside its address and `localhost`."),
});
