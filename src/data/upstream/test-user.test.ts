// Who uses connections to backends in tests, instead of an exchange: asks once and hears what becomes of it. It has no test
// of its own; its name keeps it out of what is published.

import assert from "node:assert/strict";
import { backendSpec } from "../../../test/support/health.ts";
import { answering, type RawConnection } from "../../../test/support/raw.ts";
import type { GatewayError } from "../../core/errors.ts";
import type { Http1Connection } from "../http1/client.ts";
import type { BackendUser, OutgoingHead, RequestTimes } from "./backend-connection.ts";
import type { BackendPool } from "./pool.ts";

export const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** What a backend does with a connection: it answers everything, and closes its side when the gateway does. */
export function serveOk(connection: RawConnection): void {
  answering(OK)(connection);
  connection.socket.on("end", () => connection.socket.end());
}

/** Time stands still in these tests: none of it passes. */
const TIMES: RequestTimes = { responseMs: 10_000, idleMs: 10_000, backendKeepAliveMs: 10_000 };

const HEAD: OutgoingHead = {
  method: "GET",
  upgrade: null,
  bodyLength: 0,
  fieldsFor: () => [":method", "GET", ":scheme", "http", ":authority", "test", ":path", "/"],
  textFor: () => "GET / HTTP/1.1\r\nHost: test\r\n\r\n",
};

/** When each connection that was asked on is gone. */
const closings = new WeakMap<Http1Connection, Promise<void>>();

/** Resolves when a connection is gone, and its pool knows. */
export async function gone(connection: Http1Connection): Promise<void> {
  await closings.get(connection);
}

export class TestUser implements BackendUser {
  connection: Http1Connection | null = null;
  /** Resolves with "answered", or with the code of the failure. */
  readonly outcome: Promise<string>;
  readonly #settle: (outcome: string) => void;

  /** Asks on a connection of the pool, now or when that is connected. Null where the pool has none. */
  static ask(pool: BackendPool, preferNew = false): TestUser | null {
    const user = new TestUser();
    user.connection = pool.acquire(user, 1000, preferNew) as Http1Connection | null;
    if (user.connection === null) return null;
    const { socket } = user.connection;
    if (!closings.has(user.connection)) {
      const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      closings.set(user.connection, closed);
    }
    if (user.connection.usable) user.onConnected();
    return user;
  }

  /** Asks, and resolves when the answer is whole; returns the connection, which may be used again. */
  static async answered(pool: BackendPool, preferNew = false): Promise<Http1Connection> {
    const user = TestUser.ask(pool, preferNew);
    assert.ok(user?.connection);
    assert.equal(await user.outcome, "answered");
    return user.connection;
  }

  constructor() {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.outcome = promise;
    this.#settle = resolve;
  }

  preface(): Buffer | null {
    return null;
  }

  onConnected(): void {
    const connection = this.connection!;
    connection.sendHead(HEAD, backendSpec({ port: 1 }), TIMES);
  }

  onResponseHead(_head: unknown, _body: Buffer | null, last: boolean): void {
    if (last) this.#settle("answered");
  }

  onResponseEnd(): void {
    this.#settle("answered");
  }

  onBackendFailed(error: GatewayError): void {
    this.#settle(error.code);
  }

  onInformational(): void {}
  onResponseBody(): void {}
  onSwitch(): void {}
  onBackendDrain(): void {}
}
