// The few statistics that benchmark reports use. Pure functions, runs anywhere.

/** The value below which `share` (0 to 1) of the sorted values lie, interpolated. NaN for no values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const position = (sorted.length - 1) * share;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** What a run costs when little disturbs it: noise on a shared machine only ever adds. */
export function lowerQuartile(values: readonly number[]): number {
  return quantile(values, 0.25);
}

/** One ratio per round. What slows a whole round down slows both sides, so most of it cancels. */
export function pairedRatios(values: readonly number[], reference: readonly number[]): number[] {
  if (values.length !== reference.length) {
    throw new Error(`Cannot pair ${values.length} rounds with ${reference.length}: expected as many of each`);
  }
  return values.map((value, round) => value / (reference[round] ?? Number.NaN));
}

export interface Line {
  readonly slope: number;
  readonly intercept: number;
}

/** Least squares through [x, y] points. */
export function fitLine(points: ReadonlyArray<readonly [number, number]>): Line {
  const meanX = mean(points.map(([x]) => x));
  const meanY = mean(points.map(([, y]) => y));
  let covariance = 0;
  let variance = 0;
  for (const [x, y] of points) {
    covariance += (x - meanX) * (y - meanY);
    variance += (x - meanX) ** 2;
  }
  const slope = covariance / variance;
  return { slope, intercept: meanY - slope * meanX };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
