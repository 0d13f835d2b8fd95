// What an app may say of a Request beyond method, URL, fields and body, and the rules of the fetch standard for it.
// VM processes.

/** The attributes of a Request that say how fetch() is to go about it. */
export interface RequestOptions {
  readonly referrer: string;
  readonly referrerPolicy: string;
  readonly mode: string;
  readonly credentials: string;
  readonly cache: string;
  readonly redirect: string;
  readonly integrity: string;
  readonly keepalive: boolean;
  /** Of Node's fetch(): which pool of connections to use. */
  readonly dispatcher: unknown;
}

export const DEFAULT_OPTIONS: RequestOptions = Object.freeze({
  referrer: "about:client",
  referrerPolicy: "",
  mode: "cors",
  credentials: "same-origin",
  cache: "default",
  redirect: "follow",
  integrity: "",
  keepalive: false,
  dispatcher: undefined,
});

const ALLOWED: ReadonlyArray<readonly [key: string, values: readonly string[]]> = Object.entries({
  referrerPolicy: [
    "",
    "no-referrer",
    "no-referrer-when-downgrade",
    "same-origin",
    "origin",
    "strict-origin",
    "origin-when-cross-origin",
    "strict-origin-when-cross-origin",
    "unsafe-url",
  ],
  mode: ["same-origin", "no-cors", "cors"],
  credentials: ["omit", "same-origin", "include"],
  cache: ["default", "no-store", "reload", "no-cache", "force-cache", "only-if-cached"],
  redirect: ["follow", "manual", "error"],
  duplex: ["half"],
  priority: ["high", "low", "auto"],
});

/** Read whenever there is an init: any of these starts from the referrer that a new request has. */
const KEYS = [
  "method",
  "headers",
  "body",
  "signal",
  "integrity",
  "keepalive",
  "dispatcher",
  "referrer",
] as const;

/** The options of `init` over those of the request that it is to change. Throws TypeError. */
export function readOptions(init: Record<string, unknown>, base: RequestOptions): RequestOptions {
  const chosen: Record<string, unknown> = {};
  let isEmpty = true;
  for (const [key, allowed] of ALLOWED) {
    const value = init[key];
    if (value === undefined) continue;
    const text = String(value);
    if (!allowed.includes(text)) {
      throw new TypeError(
        `Request constructor: ${key} "${text}" is not an accepted value. Expected one of ${allowed.join(", ")}.`,
      );
    }
    isEmpty = false;
    if (key in base) chosen[key] = text;
  }
  if (isEmpty && KEYS.every((key) => init[key] === undefined)) return needNoWindow(init, base);
  const { integrity, keepalive, dispatcher } = init;
  const options: RequestOptions = {
    ...base,
    referrerPolicy: "",
    ...chosen,
    referrer: readReferrer(init["referrer"]),
    ...(integrity === undefined ? {} : { integrity: String(integrity) }),
    ...(keepalive === undefined ? {} : { keepalive: Boolean(keepalive) }),
    ...(dispatcher === undefined ? {} : { dispatcher }),
  };
  if (options.cache === "only-if-cached" && options.mode !== "same-origin") {
    throw new TypeError("'only-if-cached' can be set only with 'same-origin' mode");
  }
  return needNoWindow(init, options);
}

function needNoWindow(init: Record<string, unknown>, options: RequestOptions): RequestOptions {
  const window = init["window"];
  if (window === undefined || window === null) return options;
  throw new TypeError("'window' option 'client' must be null");
}

function readReferrer(referrer: unknown): string {
  if (referrer === undefined) return "about:client";
  if (referrer === "") return "";
  try {
    return new URL(String(referrer)).href;
  } catch (cause) {
    throw new TypeError(`Referrer "${String(referrer)}" is not a valid URL.`, { cause });
  }
}
