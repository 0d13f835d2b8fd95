// Makes a class of ours look like the native class it stands for. VM processes.

/**
 * The name, enumerable operations and attributes and a tag, as WebIDL has it. `hidden` statics are taken away: they are
 * the way into private state. Their owner keeps them.
 */
export function presentAs(
  light: abstract new (...args: never[]) => object,
  name: string,
  hidden: readonly string[],
): void {
  for (const key of hidden) Reflect.deleteProperty(light, key);
  Object.defineProperty(light, "name", { value: name, configurable: true });
  enumerate(light, ["length", "name", "prototype"]);
  enumerate(light.prototype, ["constructor"]);
  Object.defineProperty(light.prototype, Symbol.toStringTag, { value: name, configurable: true });
}

function enumerate(target: object, except: readonly string[]): void {
  for (const key of Object.getOwnPropertyNames(target)) {
    if (!except.includes(key)) Object.defineProperty(target, key, { enumerable: true });
  }
}

/** Throws TypeError as a native operation does that was called with too few arguments. */
export function needArguments(length: number, least: number, operation: string): void {
  if (length >= least) return;
  throw new TypeError(
    `${operation}: ${least} argument${least === 1 ? "" : "s"} required, but${length > 0 ? " only" : ""} ${length} found.`,
  );
}

/** For an attribute that reads no private state but is refused to other objects all the same. */
export function needPrivate(isOwn: boolean): void {
  if (!isOwn) throw new TypeError("Illegal invocation");
}
