// Decides who may ask the admin API what, before anything of a request is looked at. Control thread.
//
// A browser runs pages of strangers, and their requests come from this machine too. What gives them away: the Host that
// a rebound DNS name leaves behind, and the Origin and Sec-Fetch-Site that pages cannot choose.

import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { AdminSpec } from "../../config/compile.ts";
import { quote } from "../../config/problem.ts";
import { matchesAny, parseCidr, plainAddress } from "../../core/ip.ts";
import { AdminError } from "./error.ts";

const LOOPBACK = [parseCidr("127.0.0.0/8")!, parseCidr("::1")!];
const READS: readonly (string | undefined)[] = ["GET", "HEAD", "OPTIONS"];

/** Whether only this machine can reach that address. */
export function isLoopback(address: string): boolean {
  return matchesAny(LOOPBACK, address);
}

export class Guard {
  readonly #names: ReadonlySet<string>;
  readonly #readsNeedToken: boolean;
  readonly #writesNeedToken: boolean;
  readonly #tokenHash: Buffer | null;

  /** `address` is the one that is listened on. Without a token, whatever needs one is refused. */
  constructor(spec: AdminSpec, address: string, token: string | null) {
    this.#names = new Set(["localhost", spec.host, ...spec.allowedHosts]);
    this.#readsNeedToken = spec.closed || !isLoopback(address);
    this.#writesNeedToken = this.#readsNeedToken || !spec.open;
    this.#tokenHash = token === null ? null : hashOf(Buffer.from(token));
  }

  /** Why the request is refused, or null. */
  refuse(request: IncomingMessage): AdminError | null {
    return (
      this.#refuseTarget(request) ??
      this.#refuseHost(request) ??
      this.#refuseOrigin(request) ??
      this.#refuseToken(request)
    );
  }

  /** A target with a host of its own would be a second opinion on which host is meant. */
  #refuseTarget({ url = "" }: IncomingMessage): AdminError | null {
    if (url.startsWith("/")) return null;
    return new AdminError(400, "bad_target", `Cannot answer for the target ${quote(url)}: expected a path`);
  }

  #refuseHost(request: IncomingMessage): AdminError | null {
    const [host = "", ...others] = request.headersDistinct["host"] ?? [];
    if (host === "" || others.length > 0) {
      return new AdminError(
        400,
        "bad_host",
        `Cannot use ${others.length + 1} Host fields: expected exactly one`,
      );
    }
    const port = request.socket.localPort;
    const authority = parseAuthority(host);
    const isPort = authority !== null && (authority.port === null || authority.port === port);
    if (isPort && this.#isOurs(authority.name, request)) return null;
    const expected = `localhost:${port}, the address itself, or a name of admin.allowed_hosts`;
    return new AdminError(
      421,
      "unknown_host",
      `Cannot answer for the host ${quote(host)}: expected ${expected}`,
    );
  }

  #refuseOrigin(request: IncomingMessage): AdminError | null {
    const port = request.socket.localPort;
    for (const origin of request.headersDistinct["origin"] ?? []) {
      const authority = origin.startsWith("http://") ? parseAuthority(origin.slice("http://".length)) : null;
      if (authority !== null && (authority.port ?? 80) === port && this.#isOurs(authority.name, request))
        continue;
      const expected = `a page of the admin API itself, such as http://localhost:${port}`;
      return new AdminError(
        403,
        "foreign_origin",
        `Cannot serve a page of ${quote(origin)}: expected ${expected}`,
      );
    }
    for (const site of request.headersDistinct["sec-fetch-site"] ?? []) {
      if (site === "same-origin" || site === "none") continue;
      const message = `Cannot serve a page of another site (Sec-Fetch-Site ${quote(site)}): expected same-origin or none`;
      return new AdminError(403, "foreign_origin", message);
    }
    return null;
  }

  #refuseToken({ method, headers }: IncomingMessage): AdminError | null {
    if (!(READS.includes(method) ? this.#readsNeedToken : this.#writesNeedToken)) return null;
    const given = /^Bearer +(.*\S)/i.exec(headers.authorization ?? "")?.[1];
    if (given === undefined) {
      const message =
        'Expected "Authorization: Bearer" and the token: admin.token, or that in the state folder';
      return new AdminError(401, "token_missing", message, { "WWW-Authenticate": 'Bearer realm="sluice"' });
    }
    // The hashes have one length, so that the time tells nothing of the token's.
    if (this.#tokenHash !== null && timingSafeEqual(hashOf(Buffer.from(given, "latin1")), this.#tokenHash))
      return null;
    const challenge = 'Bearer realm="sluice", error="invalid_token"';
    const message = "The token is wrong: expected admin.token, or that in the state folder";
    return new AdminError(401, "token_wrong", message, { "WWW-Authenticate": challenge });
  }

  /** Of several addresses that are listened on, the one of the connection counts. */
  #isOurs(name: string, { socket }: IncomingMessage): boolean {
    return this.#names.has(name) || name === plainAddress(socket.localAddress ?? "");
  }
}

/** Why the body of a change is refused: JSON is what a page of another site cannot send without asking first. */
export function refuseType({ method, headers }: IncomingMessage): AdminError | null {
  const { "content-type": type = "" } = headers;
  if (READS.includes(method) || /^application\/json *(;|$)/i.test(type)) return null;
  const message = `Cannot use the Content-Type ${quote(type)}: expected application/json`;
  return new AdminError(415, "unsupported_media_type", message);
}

/** The name in lower case, an address without brackets. */
function parseAuthority(text: string): { name: string; port: number | null } | null {
  const found = /^(?:\[([0-9a-f:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/.exec(text.toLowerCase());
  const name = found?.[1] ?? found?.[2];
  if (name === undefined) return null;
  return { name, port: found?.[3] === undefined ? null : Number(found[3]) };
}

function hashOf(token: Buffer): Buffer {
  return createHash("sha256").update(token).digest();
}
