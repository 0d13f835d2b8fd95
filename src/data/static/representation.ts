// One form of a file as it is sent: the file itself or its compressed neighbour, with the heads of its answers made ready.
// Runs in data threads.

import { hash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { type ResponseHead, UNKNOWN_LENGTH } from "../../core/exchange.ts";
import { HeaderList } from "../../core/headers.ts";
import type { Validators } from "./conditions.ts";
import { stampOf } from "./file-system.ts";

/** Files up to this size are kept in memory. */
export const SMALL_FILE_BYTES = 65_536;

/** What a file is, besides its bytes. */
export interface FileFacts {
  readonly contentType: string;
  readonly cacheControl: string | null;
  /** Content-Encoding, or null. */
  readonly encoding: string | null;
  /** Vary, or null. */
  readonly vary: string | null;
}

export class Representation implements Validators {
  readonly path: string;
  readonly facts: FileFacts;
  readonly size: number;
  readonly etag: string;
  readonly modifiedMs: number;
  readonly stamp: string;
  /** All of it, or null for a file that is read when it is asked for. */
  readonly body: Buffer | null;
  /** Of the answer with everything. */
  readonly headers: HeaderList;

  /** `stats` are those of the open file that `body` was read from. */
  constructor(path: string, stats: BigIntStats, body: Buffer | null, facts: FileFacts) {
    this.path = path;
    this.facts = facts;
    this.size = body?.length ?? Number(stats.size);
    this.body = body;
    this.stamp = stampOf(stats);
    this.etag = `"${body === null ? versionOf(stats) : hash("sha256", body, "base64url").slice(0, 22)}"`;
    this.modifiedMs = modifiedMs(stats);
    this.headers = this.headersOf(facts.contentType, null);
  }

  /** For one exchange: who passes it on may change its fields. */
  wholeHead(): ResponseHead {
    return { status: 200, reason: "", headers: this.headers.copy(), bodyLength: this.size };
  }

  /** Of a body that is the file or a part of it. */
  headersOf(contentType: string, contentRange: string | null): HeaderList {
    const headers = new HeaderList();
    headers.add("Content-Type", contentType);
    if (contentRange !== null) headers.add("Content-Range", contentRange);
    if (this.facts.encoding !== null) headers.add("Content-Encoding", this.facts.encoding);
    this.#addValidators(headers);
    headers.add("Accept-Ranges", "bytes");
    return headers;
  }

  /** RFC 9110 section 15.4.5: of the fields of the answer with everything, only those that caches go by. */
  notModifiedHead(): ResponseHead {
    const headers = new HeaderList();
    this.#addValidators(headers);
    return { status: 304, reason: "", headers, bodyLength: UNKNOWN_LENGTH };
  }

  #addValidators(headers: HeaderList): void {
    headers.add("ETag", this.etag);
    if (this.modifiedMs >= 0) headers.add("Last-Modified", new Date(this.modifiedMs).toUTCString());
    if (this.facts.cacheControl !== null) headers.add("Cache-Control", this.facts.cacheControl);
    if (this.facts.vary !== null) headers.add("Vary", this.facts.vary);
  }
}

/**
 * Of a file that is too large to be hashed. With its inode: where files are made reproducibly, all have the same time, and
 * two versions may well have the same size.
 */
function versionOf({ ino, size, mtimeNs }: BigIntStats): string {
  return `${size.toString(36)}-${mtimeNs.toString(36)}-${ino.toString(36)}`;
}

/** Whole seconds. Times of reproducible builds say nothing, and neither does one that is still to come. */
function modifiedMs({ mtimeNs }: BigIntStats): number {
  const seconds = Number(mtimeNs / 1_000_000_000n);
  return seconds <= 1 || seconds * 1000 > Date.now() ? -1 : seconds * 1000;
}
