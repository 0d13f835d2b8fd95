// A log-linear histogram of durations in shared memory. One thread records, any thread reads.
//
// Every power of two has 32 equal buckets, so that a bucket is at most 1/32 (3.1 %) wide of its values; below 64 µs a
// bucket is one microsecond. The idea is that of HdrHistogram (Gil Tene): the bucket follows from the leading bits.
//
//   value          0 … 31      32 … 63      64 … 127     128 … 255    …   2^31 … 2^32 - 1
//   bucket width   1           1            2            4                2^26
//   buckets        0 … 31      32 … 63      64 … 95      96 … 127     …   864 … 895

const SUB_BUCKET_BITS = 5;
const SUB_BUCKETS = 1 << SUB_BUCKET_BITS;
const BUCKETS = (32 - SUB_BUCKET_BITS + 1) * SUB_BUCKETS;

/** Longest duration told apart, 71.6 minutes in µs. Longer ones count as this. */
export const HISTOGRAM_MAX_US = 2 ** 32 - 1;

// The cells behind the buckets.
const SUM = BUCKETS;
const MAX = BUCKETS + 1;

/** Number of cells of the region of one histogram. */
export const HISTOGRAM_CELLS = BUCKETS + 2;

/**
 * A view of one region. Cells are float64: exact up to 2^53, which 32 bits are not for long (4e9 requests are half a
 * day at 100,000 a second), and an aligned one is read whole on the 64-bit machines Node runs on. A reader may see the
 * bucket of a value before its sum.
 */
export class Histogram {
  readonly #cells: Float64Array;

  constructor(cells: Float64Array = new Float64Array(HISTOGRAM_CELLS)) {
    this.#cells = cells;
  }

  /** Counts one duration in µs; fractions are cut off, and what is below 0 or no number counts as 0. */
  record(us: number): void {
    const value = us > 0 ? (us < HISTOGRAM_MAX_US ? us >>> 0 : HISTOGRAM_MAX_US) : 0;
    const cells = this.#cells;
    cells[bucketOf(value)]! += 1;
    cells[SUM]! += value;
    if (value > cells[MAX]!) cells[MAX] = value;
  }

  /** Adds what another histogram holds. */
  merge(other: Histogram): void {
    for (let i = 0; i < MAX; i++) this.#cells[i]! += other.#cells[i]!;
    this.#cells[MAX] = Math.max(this.max, other.max);
  }

  /** What was recorded after `earlier` was copied from this one. Its longest duration may be given 3.1 % too long. */
  since(earlier: Histogram): Histogram {
    const recent = new Histogram();
    let last = -1;
    for (let i = 0; i < BUCKETS; i++) {
      const count = this.#cells[i]! - earlier.#cells[i]!;
      recent.#cells[i] = count;
      if (count > 0) last = i;
    }
    recent.#cells[SUM] = this.sum - earlier.sum;
    recent.#cells[MAX] = last < 0 ? 0 : Math.min(upperBoundOf(last), this.max);
    return recent;
  }

  get count(): number {
    let count = 0;
    for (let i = 0; i < BUCKETS; i++) count += this.#cells[i]!;
    return count;
  }

  /** Of all durations, in µs. */
  get sum(): number {
    return this.#cells[SUM]!;
  }

  /** The longest duration, in µs. */
  get max(): number {
    return this.#cells[MAX]!;
  }

  /**
   * The duration in µs that a share `q` (0 to 1) of those recorded did not exceed: at least the exact one, and at most
   * 3.1 % more. 0 when nothing was recorded.
   */
  quantile(q: number): number {
    const rank = Math.max(1, Math.ceil(q * this.count));
    let seen = 0;
    for (let i = 0; i < BUCKETS; i++) {
      seen += this.#cells[i]!;
      if (seen >= rank) return Math.min(upperBoundOf(i), this.max);
    }
    return this.max;
  }

  /**
   * For each bound in µs, in ascending order, how many durations were at most that long. None that was longer is counted;
   * those up to 3.1 % shorter than a bound may be missing.
   */
  cumulative(boundsUs: readonly number[]): number[] {
    let bucket = 0;
    let seen = 0;
    return boundsUs.map((bound) => {
      for (; bucket < BUCKETS && upperBoundOf(bucket) <= bound; bucket++) seen += this.#cells[bucket]!;
      return seen;
    });
  }
}

function bucketOf(value: number): number {
  if (value < SUB_BUCKETS) return value;
  const shift = 31 - SUB_BUCKET_BITS - Math.clz32(value);
  return shift * SUB_BUCKETS + (value >>> shift);
}

/** The largest value that falls into a bucket. */
function upperBoundOf(bucket: number): number {
  if (bucket < SUB_BUCKETS) return bucket;
  const shift = Math.floor(bucket / SUB_BUCKETS) - 1;
  return (bucket - shift * SUB_BUCKETS + 1) * 2 ** shift - 1;
}
