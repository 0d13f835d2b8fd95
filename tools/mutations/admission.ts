// Guards of the link between data threads and VMs: frames, places at a VM, its queue, and where exchanges go when it ends.

import type { Mutation } from "./mutation.ts";

const rules = "src/wire/frame-rules.ts";
const reader = "src/wire/frame-reader.ts";
const writer = "src/wire/frame-writer.ts";
const READER = ["src/wire/frame-reader.test.ts"];
const WRITER = ["src/wire/frame-writer.test.ts"];
const link = "src/data/apps/vm-link.ts";
const watch = "src/data/apps/link-watch.ts";
const pool = "src/data/apps/vm-pool.ts";
const run = "src/data/actions/app.ts";
const pieces = "src/data/apps/request-pieces.ts";
const streamed = "src/data/apps/streamed-body.ts";
const response = "src/data/apps/response-reader.ts";
/** A broken guard may show by an exchange that never ends. */
const SOON = "--test-timeout=8000";
const RUBBISH = [SOON, "src/data/apps/misbehaviour.test.ts"];
const HEADS = ["src/data/apps/response-reader.test.ts"];
const RUN = [SOON, "src/data/apps/app-run.test.ts"];
const turns = "src/vm/turns.ts";
const TURNS = [SOON, "src/vm/turns.test.ts"];
const QUEUE = ["src/core/shared/app-queue.test.ts"];
const ADMISSION = ["test/apps/admission.test.ts"];

export const ADMISSION_MUTATIONS: readonly Mutation[] = [
  {
    name: "link: a frame is no longer than its type may be",
    file: rules,
    find: "if (payload < least || payload > most) {",
    replace: "if (payload < least) {",
    tests: READER,
  },
  {
    name: "link: frames of the link are on stream 0, and no others",
    file: rules,
    find: "return OF_LINK[type] === (stream === 0) ? null :",
    replace: "return true ? null :",
    tests: READER,
  },
  {
    name: "link: a header is judged before its payload is kept",
    file: reader,
    find: "if (this.#keptLength < FRAME_HEADER_BYTES) return null;\n    const payload = readNumber(this.#kept, 0);",
    replace:
      "if (this.#keptLength < FRAME_HEADER_BYTES + 1) return null;\n    const payload = readNumber(this.#kept, 0);",
    tests: READER,
  },
  {
    name: "link: bytes that the kernel has not taken are left alone",
    file: writer,
    find: "if (socket.writableLength > 0 || this.#buffer.length > BUFFER_BYTES)",
    replace: "if (this.#buffer.length > BUFFER_BYTES)",
    tests: WRITER,
  },
  {
    name: "link: frames of a turn leave in one write",
    file: writer,
    find: "    setImmediate(this.#flush);",
    replace: "    this.#flush();",
    tests: WRITER,
  },
  {
    name: "link: nothing comes on a stream that is over",
    file: link,
    find: 'const what = stream <= this.lastStream ? "is over" : "was never opened";',
    replace: 'if (stream <= this.lastStream) return null;\n      const what = "was never opened";',
    tests: RUBBISH,
  },
  {
    name: "link: a place is kept until the VM has said its last",
    file: link,
    find: "if (stream % 2 === 1) this.#users.set(stream, new EndingStream(user.exchange, this.responses));",
    replace:
      "if (stream % 2 === 2) this.#users.set(stream, new EndingStream(user.exchange, this.responses));",
    tests: RUN,
  },
  {
    name: "link: a place is given back once",
    file: link,
    find: "else if (this.#placeless.size === 0 || !this.#placeless.delete(stream))",
    replace: "else",
    tests: RUN,
  },
  {
    name: "link: the last words of a VM count",
    file: link,
    find: "    readLastWords(this.#socket, receive);\n",
    replace: "",
    tests: RUN,
  },
  {
    name: "link: a pong is for the ping that was sent",
    file: watch,
    find: "if (number !== this.#number || number === this.#answered)",
    replace: "if (number < 0)",
    tests: RUBBISH,
  },
  {
    name: "link: what was sent before a ping may have been read",
    file: watch,
    find: "return this.#number !== this.#answered && stream > this.#before;",
    replace: "return this.#number !== this.#answered;",
    tests: RUN,
  },
  {
    name: "link: a ping that was answered says nothing of what came behind it",
    file: watch,
    find: "return this.#number !== this.#answered && stream > this.#before;",
    replace: "return stream > this.#before;",
    tests: RUN,
  },
  {
    name: "link: a VM whose link is gone is not connected to again",
    file: pool,
    find: "if (lost) this.#lost.add(id);",
    replace: "",
    tests: RUBBISH,
  },
  {
    name: "admission: the least loaded VM takes the next one",
    file: pool,
    find: "        least = load;\n",
    replace: "",
    tests: RUN,
  },
  {
    name: "admission: no more wait for a VM than may",
    file: pool,
    find: "if (!this.queue.tryWait(this.#mostWaiters)) return false;",
    replace: "this.queue.tryWait(1e9);",
    tests: RUN,
  },
  {
    name: "admission: a body that trickles in is at no VM",
    file: run,
    find: "if (body.ended || body.waitingBytes >= this.#route.app.requestBufferBytes) this.#dispatch();",
    replace: "this.#dispatch();",
    tests: RUN,
  },
  {
    name: "admission: what is queued has queue.timeout",
    file: run,
    find: "    this.#pool.queue.addQueued(1);\n    this.#route.thread.deadlines.set(this, this.#route.app.queue.timeoutMs);",
    replace: "    this.#pool.queue.addQueued(1);",
    tests: RUN,
  },
  {
    name: "admission: what is started has its whole time",
    file: run,
    find: "    this.#pool.queue.waited(clockMs() - this.#waitingSince);\n    this.#route.thread.deadlines.set(this, this.#route.app.timeoutMs);",
    replace: "    this.#pool.queue.waited(clockMs() - this.#waitingSince);",
    tests: RUN,
  },
  {
    name: "admission: an event stream gives its place back",
    file: run,
    find: "if (isEvents) link.givePlaceBack(this.#stream);",
    replace: "",
    tests: RUN,
  },
  {
    name: "admission: what is queued is not answered",
    file: run,
    find: 'if (this.#state !== AT_VM) return "a head where the exchange was not begun, or has one";',
    replace: "",
    tests: RUBBISH,
  },
  {
    name: "repetition: what was begun goes to no other VM by itself",
    file: run,
    find: "else if (isUnread || wasQueued) this.#move();",
    replace: "else if (isUnread || wasQueued || this.#body === null) this.#move();",
    tests: RUN,
  },
  {
    name: "repetition: what hung its VM is not begun again",
    file: run,
    find: "if (harmful) this.#failEnded();",
    replace: "if (false) this.#failEnded();",
    tests: RUN,
  },
  {
    name: "repetition: only idempotent methods",
    file: run,
    find: "else if (this.#route.app.repeatsIdempotent && isIdempotent(this.#exchange.request.method)) {",
    replace: "else if (this.#route.app.repeatsIdempotent) {",
    tests: RUN,
  },
  {
    name: "repetition: an exchange does not end VM after VM",
    file: run,
    find: "isAnswered || this.#moves === MOST_MOVES || ",
    replace: "isAnswered || ",
    tests: RUN,
  },
  {
    name: "repetition: a body of which some is gone goes nowhere",
    file: pieces,
    find: "if (this.#gone) return false;",
    replace: "",
    tests: RUN,
  },
  {
    name: "repetition: a body that goes on while the end of its VM is in doubt is kept",
    file: run,
    find: "if (link !== null && this.#state !== DOUBTFUL && body.send",
    replace: "if (link !== null && body.send",
    tests: RUN,
  },
  {
    name: "credit: a VM gives back no more of a request than it had",
    file: pieces,
    find: 'if (this.#credit > REQUEST_WINDOW_BYTES) return "more credit than there was to give back";',
    replace: "",
    tests: RUBBISH,
  },
  {
    name: "credit: no more of a request goes to a VM than it takes",
    file: pieces,
    find: "const end = Math.min(piece.length, this.#offset + this.#credit);",
    replace: "const end = piece.length;",
    tests: RUN,
  },
  {
    name: "credit: a VM sends no more of a response than it may",
    file: streamed,
    find: 'if (this.#window < 0) return "more of a body than there was credit for";',
    replace: "",
    tests: RUBBISH,
  },
  {
    name: "credit: nothing is granted while the client takes nothing",
    file: streamed,
    find: "if (this.slow || this.#taken < RESPONSE_WINDOW_BYTES / 2) return;",
    replace: "if (this.#taken < RESPONSE_WINDOW_BYTES / 2) return;",
    tests: RUN,
  },
  {
    name: "responses: a head is no longer than its frame",
    file: response,
    find: 'if (length < 0) return "a head that is longer than its frame";',
    replace: "",
    tests: RUBBISH,
  },
  {
    name: "responses: a head ends where its frame says",
    file: response,
    find: 'if (found !== end) return "a head that does not end where its frame says";',
    replace: "",
    tests: RUBBISH,
  },
  {
    name: "responses: no status below 200",
    file: response,
    find: "return head.status < 200 && head.status !== 101",
    replace: "return head.status < 100",
    tests: RUBBISH,
  },
  {
    name: "responses: a head that is kept is none of a response to HEAD",
    file: response,
    find: 'if (flags > HEAD_ENDS && method === "HEAD")',
    replace: 'if (flags > 8 && method === "HEAD")',
    tests: RUBBISH,
  },
  {
    name: "responses: a head comes again only where one was kept",
    file: response,
    find: "if (this.#kept === null || bodyStart > headStart || (flags & HEAD_KEPT) !== 0)",
    replace: "if (this.#kept === null)",
    tests: RUBBISH,
  },
  {
    name: "responses: a head is kept also where nobody waits for it any more",
    file: "src/data/apps/ending-stream.ts",
    find: "if (type === FrameType.head) {",
    replace: "if (type === 99) {",
    tests: ["src/data/apps/heads-again.test.ts"],
  },
  {
    name: "vm: a head that is another one is not the last one again",
    file: "src/vm/sent-heads.ts",
    find: "status === this.#status && headerLines === this.#headerLines && statusText === this.#statusText;",
    replace: "headerLines === this.#headerLines;",
    tests: ["src/vm/sent-heads.test.ts"],
  },
  {
    name: "vm: a head that was sent once is not named yet",
    file: "src/vm/sent-heads.ts",
    find: "if (isLast && this.#isKept) {",
    replace: "if (isLast) {",
    tests: ["src/vm/sent-heads.test.ts"],
  },
  {
    name: "streams: one that is there when its place comes round again stays",
    file: "src/wire/stream-table.ts",
    find: "if (before !== null) this.#old.set(this.#streams[place]!, before);",
    replace: "",
    tests: ["src/wire/stream-table.test.ts"],
  },
  {
    name: "sockets: one that cannot be written to is closed",
    file: "src/data/socket-writer.ts",
    find: "else if (result < 0) socket.destroy(",
    replace: "else if (result > 0) socket.destroy(",
    tests: ["src/data/socket-writer.test.ts"],
  },
  {
    name: "sockets: a client that once did not take all has what is written to it counted",
    file: "src/data/socket-writer.ts",
    find: 'if (typeof result !== "number") this.#writesAtOnce = false;',
    replace: 'if (typeof result !== "number") return;',
    tests: ["test/http/connections.test.ts"],
  },
  {
    name: "sockets: a backend that once did not take all has what is written to it counted",
    file: "src/data/socket-writer.ts",
    find: 'if (typeof result !== "number") this.#writesAtOnce = false;',
    replace: 'if (typeof result !== "number") return;',
    tests: ["test/stream/long.test.ts"],
  },
  {
    name: "fields: a list that has a copy is not changed with it",
    file: "src/core/headers.ts",
    find: "this.#isShared = true;\n    return list;",
    replace: "return list;",
    tests: ["src/core/headers.test.ts"],
  },
  {
    name: "responses: a head that comes again has fields of its own",
    file: response,
    find: "headers: headers.copy()",
    replace: "headers",
    tests: HEADS,
  },
  {
    name: "turns: no more handlers at a time than may be",
    file: turns,
    find: "if (this.running === this.#concurrency) break;",
    replace: "",
    tests: TURNS,
  },
  {
    name: "turns: nobody gets past who waits",
    file: turns,
    find: "if (this.running < this.#concurrency && this.#waiting.size === 0) {",
    replace: "if (this.running < this.#concurrency) {",
    tests: TURNS,
  },
  {
    name: "turns: who was told is begun after that is out",
    file: turns,
    find: "for (const turn of begun) if (turn.isTold) turn.flush();",
    replace: "",
    tests: TURNS,
  },
  {
    name: "turns: the event loop goes on",
    file: turns,
    find: "if (next.isTold || this.#isLate()) this.#schedule();",
    replace: "if (next.isTold) this.#schedule();",
    tests: TURNS,
  },
  {
    name: "waits: a thread that ended waits for nothing",
    file: "src/core/shared/app-queue.ts",
    find: "Atomics.sub(this.#ints, 0, this.#own[WAITING]!);",
    replace: "",
    tests: QUEUE,
  },
  {
    name: "waits: those for a VM are counted exactly",
    file: "src/core/shared/app-queue.ts",
    find: "const found = Atomics.compareExchange(this.#ints, 0, count, count + 1);",
    replace: "const found = count;\n      this.#ints[0] = count + 1;",
    tests: QUEUE,
  },
  {
    name: "places: a VM's are counted exactly",
    file: "src/core/shared/app-state.ts",
    find: "const found = Atomics.compareExchange(this.#cells, total, count, count + 1);",
    replace: "const found = count;\n      this.#cells[total] = count + 1;",
    tests: ["src/core/shared/app-state.test.ts"],
  },
  {
    name: "vm: it says its last on what was given up",
    file: "src/vm/gateway-link.ts",
    find: "if (stream % 2 === 1 && !this.#users.has(stream)) this.writer.empty(FrameType.abort, stream);",
    replace: "",
    tests: ADMISSION,
  },
  {
    name: "vm: a handler that was given up gives its turn to the next one",
    file: "src/vm/served.ts",
    find: "    this.#abandoned = true;\n",
    replace: "    if (this.#over) return;\n    this.#abandoned = true;\n",
    tests: ADMISSION,
  },
];
