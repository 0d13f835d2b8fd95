// The body of a light Request or Response: bytes at hand, bytes that the link gives, or a stream. A stream is made only
// for who asks for one; a body at hand is read without. VM processes.
import {
  type ByteStream,
  isDisturbed,
  readSource,
  readStream,
  spend,
  spentStream,
  streamFrom,
  streamOf,
  teeStream,
} from "./body-stream.ts";
import type { BodySource } from "./request-source.ts";

/** Text stays text until somebody wants bytes. Never changed: it may be shared by clones. */
export type Whole = string | Uint8Array;

/** Which body made a stream: `new Response(other.body)` finds the bytes again without reading the stream. */
const made = new WeakMap<ByteStream, LightBody>();

export class LightBody {
  /** Null once it was used, or if it is not at hand. */
  #whole: Whole | null;
  /** Null once a stream or a reader has it. */
  #source: BodySource | null;
  #stream: ByteStream | null;
  /** Read without the stream. */
  #spent = false;

  private constructor(whole: Whole | null, source: BodySource | null, stream: ByteStream | null) {
    this.#whole = whole;
    this.#source = source;
    this.#stream = stream;
  }

  static of(whole: Whole): LightBody {
    return new LightBody(whole, null, null);
  }

  static from(source: BodySource): LightBody {
    return new LightBody(source.whole, source, null);
  }

  /** `stream` is neither locked nor disturbed. */
  static ofStream(stream: ByteStream): LightBody {
    const maker = made.get(stream);
    return new LightBody(maker === undefined ? null : maker.#whole, null, stream);
  }

  get used(): boolean {
    return this.#spent || (this.#stream !== null && isDisturbed(this.#stream));
  }

  get unusable(): boolean {
    return this.#spent || (this.#stream !== null && (this.#stream.locked || isDisturbed(this.#stream)));
  }

  get stream(): ByteStream {
    if (this.#stream !== null) return this.#stream;
    if (this.#spent) this.#stream = spentStream();
    else if (this.#whole !== null) this.#stream = streamOf(this.#whole);
    else this.#stream = streamFrom(this.#source!);
    made.set(this.#stream, this);
    return this.#stream;
  }

  /** Everything, through `convert`. Rejects with TypeError when the body was used. */
  read<T>(convert: (whole: Whole) => T): Promise<T> {
    if (this.unusable) return Promise.reject(unusable());
    const whole = this.#whole;
    if (whole === null) return this.#collect().then(convert);
    this.#spend();
    try {
      return Promise.resolve(convert(whole));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The body for somebody else: it is used from now on. Throws TypeError when it was used already. */
  take(): Whole | ByteStream {
    if (this.unusable) throw unusable();
    const whole = this.#whole;
    if (whole === null) return this.stream;
    this.#spend();
    return whole;
  }

  /** A body with the same content: this one is used from now on. It must be usable. */
  move(): LightBody {
    const whole = this.#whole;
    const source = this.#source;
    if (this.#stream === null || whole !== null) {
      this.#spend();
      return new LightBody(whole, source, null);
    }
    const identity = new TransformStream<Uint8Array, Uint8Array>();
    return new LightBody(null, null, this.#stream.pipeThrough(identity));
  }

  /** A second body with the same content. It must be usable. */
  clone(): LightBody {
    if (this.#whole !== null && this.#stream === null) return new LightBody(this.#whole, null, null);
    const [mine, other] = teeStream(this.stream);
    this.#stream = mine;
    return new LightBody(this.#whole, null, other);
  }

  #spend(): void {
    this.#spent = true;
    this.#whole = null;
    this.#source = null;
    if (this.#stream !== null) spend(this.#stream);
  }

  #collect(): Promise<Uint8Array> {
    if (this.#stream !== null) return readStream(this.#stream);
    const source = this.#source!;
    this.#spend();
    return readSource(source);
  }
}

function unusable(): TypeError {
  return new TypeError("Body is unusable: Body has already been read");
}
