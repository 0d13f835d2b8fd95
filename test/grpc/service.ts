// A gRPC service of every kind of call, whose messages are plain bytes: no protoc needed. Runs in tests.

import {
  ChannelCredentials,
  type Client,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type MethodDefinition,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
  status,
} from "@grpc/grpc-js";

function method(
  name: string,
  requestStream: boolean,
  responseStream: boolean,
): MethodDefinition<Buffer, Buffer> {
  const asIs = (bytes: Buffer) => bytes;
  return {
    path: `/test.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
}

export const METHODS = {
  unary: method("Unary", false, false),
  gather: method("Gather", true, false),
  spread: method("Spread", false, true),
  chat: method("Chat", true, true),
} satisfies ServiceDefinition;

export interface Handlers {
  unary: handleUnaryCall<Buffer, Buffer>;
  gather: handleClientStreamingCall<Buffer, Buffer>;
  spread: handleServerStreamingCall<Buffer, Buffer>;
  chat: handleBidiStreamingCall<Buffer, Buffer>;
}

/** Says everything back. */
export const ECHO: Handlers = {
  unary: (call, callback) => callback(null, call.request),
  gather: (call, callback) => {
    const messages: Buffer[] = [];
    call.on("data", (message: Buffer) => messages.push(message));
    call.on("end", () => callback(null, Buffer.concat(messages)));
  },
  spread: (call) => {
    for (const byte of call.request) call.write(Buffer.from([byte]));
    call.end();
  },
  chat: (call) => {
    call.on("data", (message: Buffer) => call.write(message));
    call.on("end", () => call.end());
  },
};

export class GrpcBackend {
  /** May be changed at any time. */
  handlers: Handlers = ECHO;
  readonly #server: Server;
  port = 0;

  static async start(credentials = ServerCredentials.createInsecure(), options = {}): Promise<GrpcBackend> {
    const backend = new GrpcBackend(new Server(options));
    backend.port = await new Promise((resolve, reject) =>
      backend.#server.bindAsync("127.0.0.1:0", credentials, (error, port) => {
        if (error === null) resolve(port);
        else reject(error);
      }),
    );
    return backend;
  }

  private constructor(server: Server) {
    this.#server = server;
    server.addService(METHODS, {
      unary: (...of: Parameters<Handlers["unary"]>) => this.handlers.unary(...of),
      gather: (...of: Parameters<Handlers["gather"]>) => this.handlers.gather(...of),
      spread: (...of: Parameters<Handlers["spread"]>) => this.handlers.spread(...of),
      chat: (...of: Parameters<Handlers["chat"]>) => this.handlers.chat(...of),
    });
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  /** As an operator ends it: GOAWAY, what is under way goes on. */
  async drain(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
  }
}

export interface Answered {
  readonly response: Buffer | null;
  readonly code: number;
  readonly details: string;
  /** Of the answer, where there was one. */
  readonly metadata: Metadata;
  readonly trailers: Metadata;
}

const ServiceClient = makeGenericClientConstructor(METHODS, "Echo");

export class GrpcClient {
  readonly client: Client;

  constructor(port: number, credentials = ChannelCredentials.createInsecure(), options = {}) {
    this.client = new ServiceClient(`127.0.0.1:${port}`, credentials, options);
  }

  unary(message: Buffer | string, metadata = new Metadata(), options = {}): Promise<Answered> {
    const { path, requestSerialize, responseDeserialize } = METHODS.unary;
    return new Promise((resolve) => {
      const seen = { metadata: new Metadata(), trailers: new Metadata(), code: -1, details: "" };
      const call = this.client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        Buffer.from(message),
        metadata,
        options,
        (_error: ServiceError | null, response?: Buffer) => {
          // The status comes right behind.
          call.on("status", (ended) =>
            resolve({
              ...seen,
              response: response ?? null,
              code: ended.code,
              details: ended.details,
              trailers: ended.metadata,
            }),
          );
        },
      );
      call.on("metadata", (own) => {
        seen.metadata = own;
      });
    });
  }

  gather(callback: (error: ServiceError | null, response?: Buffer) => void, options = {}) {
    const { path, requestSerialize, responseDeserialize } = METHODS.gather;
    return this.client.makeClientStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      new Metadata(),
      options,
      callback,
    );
  }

  spread(message: Buffer, options = {}) {
    const { path, requestSerialize, responseDeserialize } = METHODS.spread;
    return this.client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      message,
      new Metadata(),
      options,
    );
  }

  chat(options = {}) {
    const { path, requestSerialize, responseDeserialize } = METHODS.chat;
    return this.client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      new Metadata(),
      options,
    );
  }

  close(): void {
    this.client.close();
  }
}

export { status as Status };
