// A gRPC service that says everything back, and a client of it. Messages are plain bytes, so that no protoc is needed.
//
//   node echo.js serve PORT
//   node echo.js call HOST:PORT TEXT          one message there and back
//   node echo.js chat HOST:PORT TEXT...       a stream of messages both ways

import { credentials, makeGenericClientConstructor, Server, ServerCredentials } from "@grpc/grpc-js";

const asIs = (bytes) => bytes;
const method = (name, stream) => ({
  path: `/example.Echo/${name}`,
  requestStream: stream,
  responseStream: stream,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
});
const echo = { say: method("Say", false), chat: method("Chat", true) };

const [command, target, ...texts] = process.argv.slice(2);

if (command === "serve") {
  const server = new Server();
  server.addService(echo, {
    say: (call, callback) => callback(null, call.request),
    chat: (call) => {
      call.on("data", (message) => call.write(message));
      call.on("end", () => call.end());
    },
  });
  server.bindAsync(`127.0.0.1:${target}`, ServerCredentials.createInsecure(), (error, port) => {
    if (error !== null) throw error;
    console.log(`listening on 127.0.0.1:${port}`);
  });
} else {
  const Client = makeGenericClientConstructor(echo, "Echo");
  const client = new Client(target, credentials.createInsecure());
  if (command === "call") {
    client.say(Buffer.from(texts[0]), (error, answer) => {
      console.log(error === null ? answer.toString() : error.message);
      client.close();
    });
  } else {
    const call = client.chat();
    call.on("data", (message) => console.log(message.toString()));
    call.on("error", (error) => console.log(error.message));
    call.on("status", () => client.close());
    for (const text of texts) call.write(Buffer.from(text));
    call.end();
  }
}
