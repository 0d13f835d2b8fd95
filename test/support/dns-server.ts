// A DNS server on 127.0.0.1, UDP and TCP on one port, that answers what a test tells it: records with their TTL, errors,
// silence, truncated answers. It remembers what it was asked.

import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { type DnsQuestion, questionOf, type ResourceRecord, reply } from "./dns-message.ts";

export type { DnsQuestion } from "./dns-message.ts";

/** Instead of an answer. `silent` sends nothing at all. */
export type DnsFault = "silent" | "servfail" | "refused" | "nxdomain";

export interface SrvData {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}

/** What a name has. A type that is left out has no records: NOERROR without an answer. */
export interface DnsEntry {
  /** Seconds; 60 without it. */
  readonly ttl?: number;
  readonly A?: readonly string[] | DnsFault;
  readonly AAAA?: readonly string[] | DnsFault;
  readonly SRV?: readonly SrvData[] | DnsFault;
  readonly CNAME?: string;
}

const RCODES = { servfail: 2, nxdomain: 3, refused: 5 } as const;

export class DnsServer {
  /** In the order they came, repeated ones too. */
  readonly questions: DnsQuestion[] = [];
  /** Instead of the answers of every name. */
  fault: DnsFault | null = null;
  /** UDP answers are empty and say that they are truncated. */
  truncates = false;
  /** The targets of SRV records point into the message (RFC 2782 forbids it, some servers do it). */
  compressesTargets = false;
  readonly #entries = new Map<string, DnsEntry>();
  readonly #watchers = new Set<() => void>();
  readonly #udp: UdpSocket = createSocket("udp4");
  readonly #tcp: Server = createServer((socket) => this.#serve(socket));
  readonly #connections = new Set<Socket>();

  static async start(): Promise<DnsServer> {
    for (;;) {
      const server = new DnsServer();
      if (await server.#open()) return server;
    }
  }

  private constructor() {
    this.#udp.on("message", (message, { port, address }) => {
      const answer = this.#answer(message, "udp");
      if (answer !== null) this.#udp.send(answer, port, address);
    });
  }

  /** `address:port`. */
  get address(): string {
    return `127.0.0.1:${this.#udp.address().port}`;
  }

  /** Sets what a name has from now on; null for a name that does not exist, as all others. */
  set(name: string, entry: DnsEntry | null): void {
    if (entry === null) this.#entries.delete(name);
    else this.#entries.set(name, entry);
  }

  /** How often a name was asked for. */
  count(name: string, type: DnsQuestion["type"]): number {
    return this.questions.filter((question) => question.name === name && question.type === type).length;
  }

  /** Resolves when a name was asked for so many times from now on. */
  async asked(name: string, type: DnsQuestion["type"], times = 1): Promise<void> {
    const wanted = this.count(name, type) + times;
    await new Promise<void>((resolve) => {
      const look = () => {
        if (this.count(name, type) < wanted) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
    });
  }

  async stop(): Promise<void> {
    for (const socket of this.#connections) socket.destroy();
    this.#udp.close();
    this.#tcp.close();
    await Promise.all([once(this.#udp, "close"), once(this.#tcp, "close")]);
  }

  /** False where the port that UDP got is taken for TCP. */
  async #open(): Promise<boolean> {
    this.#udp.bind(0, "127.0.0.1");
    await once(this.#udp, "listening");
    this.#tcp.listen(this.#udp.address().port, "127.0.0.1");
    try {
      await once(this.#tcp, "listening");
      return true;
    } catch {
      this.#udp.close();
      return false;
    }
  }

  /** RFC 1035 section 4.2.2: each message has its length before it. */
  #serve(socket: Socket): void {
    this.#connections.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#connections.delete(socket));
    let pending = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const end = 2 + pending.readUInt16BE(0);
        const answer = this.#answer(pending.subarray(2, end), "tcp");
        pending = pending.subarray(end);
        if (answer === null) continue;
        const length = Buffer.alloc(2);
        length.writeUInt16BE(answer.length);
        socket.write(Buffer.concat([length, answer]));
      }
    });
  }

  #answer(message: Buffer, transport: "udp" | "tcp"): Buffer | null {
    const question = questionOf(message, transport);
    this.questions.push(question);
    const answer = this.#answerTo(question);
    for (const watcher of this.#watchers) watcher();
    if (answer === "silent") return null;
    if (typeof answer === "string") return reply(message, { code: RCODES[answer] });
    if (this.truncates && transport === "udp") return reply(message, { truncated: true });
    return reply(message, { records: answer, compressesTargets: this.compressesTargets });
  }

  #answerTo({ name, type }: DnsQuestion): ResourceRecord[] | DnsFault {
    if (this.fault !== null) return this.fault;
    const records: ResourceRecord[] = [];
    let owner = name;
    let entry = this.#entries.get(owner);
    while (entry?.CNAME !== undefined) {
      records.push({ owner, type: "CNAME", ttl: entry.ttl ?? 60, data: entry.CNAME });
      owner = entry.CNAME;
      entry = this.#entries.get(owner);
    }
    if (entry === undefined) return "nxdomain";
    const found = type === "A" || type === "AAAA" || type === "SRV" ? (entry[type] ?? []) : [];
    if (typeof found === "string") return found;
    const { ttl = 60 } = entry;
    return [...records, ...found.map((data) => ({ owner, type, ttl, data }) as ResourceRecord)];
  }
}
