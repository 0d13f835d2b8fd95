// Hashes of passwords that cost next to nothing, and some that cost a lot. Runs in tests.

import { scryptSync } from "node:crypto";
import { hashSync } from "bcryptjs";
import { writeScrypt } from "../../src/core/password-hash.ts";

export function scryptHash(password: string): string {
  const salt = Buffer.from("0123456789abcdef");
  return writeScrypt(4, 8, 1, salt, scryptSync(password, salt, 32, { N: 16, r: 8, p: 1 }));
}

/** A cost of 13 takes around half a second. */
export function bcryptHash(password: string, cost = 4): string {
  return hashSync(password, cost);
}

export function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}
