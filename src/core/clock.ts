// The clock that durations are measured with. Runs anywhere.

/** Taken once: the global is an accessor, which costs more than the clock itself. */
const { performance: clock } = globalThis;

/** Milliseconds since some moment of the past, with fractions; never goes back. */
export function clockMs(): number {
  return clock.now();
}
