// An app of the section `apps`: an entry in TypeScript or JavaScript, and what its VMs may take. Runs anywhere.

import { z } from "zod";
import { choice, duration, oneOrMore, size, text, textLike, truth, wholeNumber } from "../values.ts";

const MOST = Number.MAX_SAFE_INTEGER;
const A_LIST = "expected a path or a list of paths";

const permissions = z
  .strictObject({
    net: truth().prefault(false).describe("Connections to the network and listening."),
    read: oneOrMore(text(), A_LIST)
      .or(z.array(z.never()))
      .prefault([])
      .describe("Files and folders that may be read."),
    write: oneOrMore(text(), A_LIST)
      .or(z.array(z.never()))
      .prefault([])
      .describe("Files and folders that may be written."),
    run: truth().prefault(false).describe("Starting other processes."),
    threads: truth().prefault(false).describe("Worker threads."),
    sqlite: truth()
      .prefault(false)
      .describe(
        "`node:sqlite`, which opens any file that the user of the VM may open, whatever `read` and `write` say.",
      ),
  })
  .prefault({})
  .describe("What the VMs may do beside answering (docs/apps.md). Without it, nothing.");

const variable = textLike(/^[A-Za-z_][A-Za-z0-9_]*$/, "expected a name of letters, digits and _");

export const app = z
  .strictObject({
    entry: text().describe("File of the handler, from the folder in which the gateway was started."),
    instances: wholeNumber(1, 256).prefault(1).describe("VMs that run at a time."),
    memory: size(16_777_216).prefault("128mb").describe("What one VM may use: its heap, and its buffers."),
    timeout: duration("above 0")
      .prefault("5s")
      .describe("Time from the start of a handler to the head of its response."),
    hang_timeout: duration("above 0")
      .optional()
      .describe("A VM that does not answer for so long is killed. Without it, as `timeout`."),
    start_timeout: duration("above 0").prefault("30s").describe("A VM must have loaded the app within this."),
    concurrency: wholeNumber(1, 100_000).prefault(100).describe("Handlers that one VM runs at a time."),
    queue: z
      .strictObject({
        size: wholeNumber(0, 1_000_000).prefault(1000).describe("Exchanges that wait in front of one VM."),
        timeout: duration("above 0").prefault("5s").describe("Longest wait in the queue."),
      })
      .prefault({})
      .describe("The queue in front of each VM."),
    request_buffer: size(0, 1_048_576)
      .prefault("64kb")
      .describe("A request goes to a VM once its body is whole, or so much of it has come; 0 for at once."),
    env: z
      .record(variable, z.string({ error: "expected text (numbers in quotes)" }))
      .prefault({})
      .describe("Variables of `env`."),
    secrets: z
      .record(variable, text())
      .prefault({})
      .describe("Files whose text, without the last line end, are variables of `env`."),
    upstreams: z
      .array(text())
      .prefault([])
      .describe("Upstreams that the app may ask: `env.<name>.fetch(request)`."),
    permissions,
    errors: choice(["plain", "detailed"])
      .prefault("plain")
      .describe("Whether a client is told what went wrong in a handler: for development."),
    repeat: choice(["never", "idempotent"])
      .prefault("never")
      .describe(
        "Whether an idempotent request whose VM ended goes to another one, though its handler was begun.",
      ),
    max_requests: wholeNumber(1, MOST).optional().describe("A VM is replaced after so many requests."),
    max_age: duration("above 0").optional().describe("A VM is replaced after so long."),
    drain_timeout: duration("or 0")
      .prefault("30s")
      .describe("What is under way at a VM that is replaced may take so long to end."),
    spare: truth()
      .prefault(false)
      .describe("Keeps one more VM ready, which takes over at once when one ends."),
    isolation: choice(["auto", "namespaces", "user", "none"])
      .prefault("auto")
      .describe(
        "What VMs are kept in: namespaces of their own, a user of their own, or whatever of these there is.",
      ),
    websocket: z
      .strictObject({
        max_message: size(1)
          .prefault("1mb")
          .describe("Longest message. A longer one closes the connection (1009)."),
        queue: size(1)
          .prefault("1mb")
          .describe("Bytes of messages that wait for the VM before the client is slowed down."),
        compression: truth().prefault(false).describe("Offers permessage-deflate."),
      })
      .prefault({})
      .describe("WebSockets that the app accepts."),
  })
  .describe("A handler, and the VMs that run it.");

export const apps = z.record(z.string(), app).prefault({}).describe("Apps by name (docs/apps.md).");
