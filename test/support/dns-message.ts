// DNS messages as the test server reads and writes them (RFC 1035 section 4, AAAA of RFC 3596, SRV of RFC 2782).

import type { SrvData } from "./dns-server.ts";

export interface DnsQuestion {
  /** In lower case, without the dot at the end. */
  readonly name: string;
  readonly type: "A" | "AAAA" | "SRV" | "other";
  readonly transport: "udp" | "tcp";
  /** When it came, by `performance.now()`. */
  readonly atMs: number;
}

export type ResourceRecord = {
  readonly owner: string;
  /** Seconds. */
  readonly ttl: number;
} & (
  | { readonly type: "A" | "AAAA"; readonly data: string }
  | { readonly type: "CNAME"; readonly data: string }
  | { readonly type: "SRV"; readonly data: SrvData }
);

const TYPES = { A: 1, CNAME: 5, AAAA: 28, SRV: 33 } as const;
const TYPE_NAMES: Readonly<Record<number, DnsQuestion["type"]>> = { 1: "A", 28: "AAAA", 33: "SRV" };
const HEADER_BYTES = 12;
/** Points to the name of the question. */
const QUESTION_NAME = Buffer.from([0xc0, HEADER_BYTES]);

export function questionOf(message: Buffer, transport: "udp" | "tcp"): DnsQuestion {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = message[at]!; length > 0; length = message[at]!) {
    labels.push(message.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  const type = TYPE_NAMES[message.readUInt16BE(at + 1)] ?? "other";
  return { name: labels.join(".").toLowerCase(), type, transport, atMs: performance.now() };
}

export interface Reply {
  readonly code?: number;
  readonly truncated?: boolean;
  readonly records?: readonly ResourceRecord[];
  readonly compressesTargets?: boolean;
}

/** The answer to `question`, which comes back in it as it was. */
export function reply(question: Buffer, what: Reply): Buffer {
  const { code = 0, truncated = false, records = [], compressesTargets = false } = what;
  const header = Buffer.alloc(HEADER_BYTES);
  question.copy(header, 0, 0, 2);
  // A response, recursion asked for and available.
  header.writeUInt16BE(0x8180 | (truncated ? 0x0200 : 0) | code, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  const end = question.indexOf(0, HEADER_BYTES) + 5;
  const encoded = records.map((record) => encode(record, compressesTargets));
  return Buffer.concat([header, question.subarray(HEADER_BYTES, end), ...encoded]);
}

function encode(record: ResourceRecord, compressesTargets: boolean): Buffer {
  const data = dataOf(record, compressesTargets);
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(TYPES[record.type], 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(record.ttl, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([encodeName(record.owner), fixed, data]);
}

function dataOf(record: ResourceRecord, compressesTargets: boolean): Buffer {
  switch (record.type) {
    case "A":
      return Buffer.from(record.data.split(".").map(Number));
    case "AAAA":
      return encodeV6(record.data);
    case "CNAME":
      return encodeName(record.data);
    case "SRV": {
      const { priority, weight, port, target } = record.data;
      const numbers = Buffer.alloc(6);
      numbers.writeUInt16BE(priority, 0);
      numbers.writeUInt16BE(weight, 2);
      numbers.writeUInt16BE(port, 4);
      return Buffer.concat([numbers, compressesTargets ? compressed(target) : encodeName(target)]);
    }
  }
}

function encodeName(name: string): Buffer {
  const labels = name === "" ? [] : name.split(".");
  return Buffer.concat([
    ...labels.map((label) => Buffer.from(String.fromCharCode(label.length) + label, "latin1")),
    Buffer.from([0]),
  ]);
}

/** The first label, then a pointer to the name of the question. */
function compressed(name: string): Buffer {
  const [first = ""] = name.split(".");
  return Buffer.concat([Buffer.from(String.fromCharCode(first.length) + first, "latin1"), QUESTION_NAME]);
}

/** No IPv4 part. */
function encodeV6(address: string): Buffer {
  const [head = "", tail] = address.split("::");
  const groupsOf = (text: string) => (text === "" ? [] : text.split(":"));
  const [before, after] = [groupsOf(head), groupsOf(tail ?? "")];
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...new Array<string>(zeros).fill("0"), ...after];
  const bytes = Buffer.alloc(16);
  for (const [i, group] of groups.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), i * 2);
  return bytes;
}
