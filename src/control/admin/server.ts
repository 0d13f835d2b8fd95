// The admin API on its address: fastify, behind the guard. Control thread.

import { lookup } from "node:dns/promises";
import { type AddressInfo, isIP, type Socket } from "node:net";
import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from "fastify";
import type { AdminSpec } from "../../config/compile.ts";
import { quote } from "../../config/problem.ts";
import { reasonPhrase } from "../../core/status.ts";
import type { Log } from "../log.ts";
import { AdminError, errorBody } from "./error.ts";
import { Guard, isLoopback, refuseType } from "./guard.ts";
import { Machine } from "./machine.ts";
import { type AdminRoute, adminRoutes } from "./routes.ts";
import { Samples } from "./samples.ts";
import type { GatewayView } from "./view.ts";

/** Why the admin API cannot be opened, in words for the operator. */
export class AdminStartError extends Error {}

const MAX_BODY_BYTES = 64 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;
/** They come out of the files that are kept for the gateway itself (file-limit.ts). */
const MAX_CONNECTIONS = 32;

/** What nobody but the one who asked should see, keep, or take for a page. */
const HEADERS = {
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff",
  "Cross-Origin-Resource-Policy": "same-origin",
} as const;
const JSON_TYPE = "application/json; charset=utf-8";

export class AdminServer {
  readonly #app: FastifyInstance;
  readonly #samples: Samples;
  readonly #log: Log;
  /** The address that the host of the configuration stood for when it was opened. */
  readonly #host: string;
  #spec: AdminSpec;
  #guard: Guard;

  /** Listens when it resolves. `token` is null only where nothing needs one. */
  static async start(
    spec: AdminSpec,
    view: GatewayView,
    token: string | null,
    log: Log,
  ): Promise<AdminServer> {
    const host = await addressOf(spec);
    refuseOpenDoor(spec, host);
    const server = new AdminServer({ spec, view, token, log, host });
    try {
      await server.#app.listen({ host, port: spec.port });
    } catch (error) {
      await server.close();
      throw new AdminStartError(reasonOf(error as NodeJS.ErrnoException, host, spec.port));
    }
    server.#app.server.maxConnections = MAX_CONNECTIONS;
    return server;
  }

  private constructor({ spec, view, token, log, host }: Setting) {
    const machine = new Machine();
    this.#spec = spec;
    this.#host = host;
    this.#log = log;
    this.#guard = new Guard(spec, host, token);
    this.#samples = new Samples(view, machine);
    this.#app = this.#build(adminRoutes({ view, samples: this.#samples, machine }));
  }

  /** What is listened on, with the real port. */
  get address(): { readonly host: string; readonly port: number } {
    const { address, port } = this.#app.server.address() as AddressInfo;
    return { host: address, port };
  }

  /** Whether that configuration asks for the address that this one listens on. */
  serves({ host, port }: AdminSpec): boolean {
    return host === this.#spec.host && port === this.#spec.port;
  }

  /** Returns what goes over to other settings on the same address; throws where they cannot be. */
  prepare(spec: AdminSpec, token: string | null): () => void {
    refuseOpenDoor(spec, this.#host);
    return () => {
      this.#spec = spec;
      this.#guard = new Guard(spec, this.#host, token);
    };
  }

  async close(): Promise<void> {
    this.#samples.stop();
    await this.#app.close();
  }

  #build(routes: readonly AdminRoute[]): FastifyInstance {
    const app = fastify({
      logger: false,
      bodyLimit: MAX_BODY_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      forceCloseConnections: true,
      // The guard has a better answer.
      http: { requireHostHeader: false },
      frameworkErrors: (error, _, reply) => this.#answerError(error, reply),
      clientErrorHandler: answerBytes,
    });
    app.addHook("onRequest", async (request, reply) => {
      reply.headers(HEADERS);
      const refusal = this.#guard.refuse(request.raw) ?? (request.is404 ? null : refuseType(request.raw));
      if (refusal !== null) throw refusal;
    });
    app.setErrorHandler<FastifyError>((error, _, reply) => this.#answerError(error, reply));
    app.setNotFoundHandler((request) => refuseUnknown(request, routes));
    for (const { method, path, handle } of routes) app.route({ method, url: path, handler: handle });
    return app;
  }

  #answerError(error: FastifyError | AdminError, reply: FastifyReply): void {
    const known = this.#known(error);
    reply
      .code(known.status)
      .headers({ ...HEADERS, ...known.headers })
      .type(JSON_TYPE)
      .send(errorBody(known));
  }

  #known(error: FastifyError | AdminError): AdminError {
    if (error instanceof AdminError) return error;
    const status = error.statusCode ?? 500;
    if (status === 413) {
      const message = `The body is too long: expected at most ${MAX_BODY_BYTES} bytes`;
      return new AdminError(413, "body_too_large", message);
    }
    if (status < 500) return new AdminError(status, "invalid_request", error.message);
    this.#log.error({ stack: error.stack ?? "" }, `admin API: ${error.message}`);
    return new AdminError(500, "internal", "This is a bug of Sluice: the log says more");
  }
}

interface Setting {
  readonly spec: AdminSpec;
  readonly view: GatewayView;
  readonly token: string | null;
  readonly log: Log;
  readonly host: string;
}

function refuseUnknown({ method, url }: FastifyRequest, routes: readonly AdminRoute[]): never {
  const [path] = url.split("?");
  const methods = routes.filter((route) => route.path === path).map((route) => route.method);
  if (methods.length === 0) throw new AdminError(404, "not_found", `There is nothing at ${quote(path)}`);
  const allowed = methods.map((one) => (one === "GET" ? "GET, HEAD" : one)).join(", ");
  const message = `Cannot ${method} ${path}: expected ${allowed}`;
  throw new AdminError(405, "method_not_allowed", message, { Allow: allowed });
}

/** Answers what is no request at all. */
function answerBytes(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 }[error.code ?? ""] ?? 400;
  const body = errorBody({ code: "bad_request", message: `Cannot read the request: ${error.message}` });
  const fields = Object.entries({
    ...HEADERS,
    "Content-Type": JSON_TYPE,
    "Content-Length": Buffer.byteLength(body),
    Connection: "close",
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${reasonPhrase(status)}\r\n${fields.join("")}\r\n${body}`);
}

/** Looked up here and not by `listen`, so that what is opened is what was looked at. */
async function addressOf({ host }: AdminSpec): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return (await lookup(host)).address;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new AdminStartError(`Cannot find the address of admin.host ${quote(host)}: ${code}`);
  }
}

/** What others than this machine reach is for those only who know a token that the operator gave them. */
function refuseOpenDoor({ host, token, open }: AdminSpec, address: string): void {
  if (isLoopback(address)) return;
  const where = host === address ? quote(host) : `${quote(host)}, which is ${address}`;
  if (open)
    throw new AdminStartError(`Cannot open the admin API on ${where}: admin.open needs a loopback address`);
  if (token === null)
    throw new AdminStartError(
      `Cannot listen on ${where} without admin.token: expected one, or a loopback address`,
    );
}

function reasonOf({ code, message }: NodeJS.ErrnoException, host: string, port: number): string {
  const what = `Cannot listen on ${host.includes(":") ? `[${host}]` : host}:${port} for the admin API`;
  if (code === "EADDRINUSE") return `${what}: somebody else holds it. Stop them, or set another admin.port`;
  if (code === "EADDRNOTAVAIL") return `${what}: this machine has no such address`;
  return `${what}: ${code ?? message}`;
}
