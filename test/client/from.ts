// Clients that come from other addresses of this machine than 127.0.0.1 (Linux has all of 127.0.0.0/8). Runs in tests.

import { once } from "node:events";
import { connect } from "node:net";
import type { TestContext } from "node:test";
import { Client } from "../http/client.ts";
import { RawConnection } from "../support/raw.ts";

export const GET = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";

/** A client that is closed with the test. */
export async function clientFrom(t: TestContext, port: number, localAddress = "127.0.0.1"): Promise<Client> {
  const socket = connect({ port, host: "127.0.0.1", localAddress, allowHalfOpen: true, noDelay: true });
  await once(socket, "connect");
  const client = new Client(new RawConnection(socket));
  t.after(() => client.close());
  return client;
}

/** Closes a connection, and waits until the gateway has closed it too. */
export async function leave(client: Client): Promise<void> {
  client.connection.socket.end();
  await client.ended();
}
