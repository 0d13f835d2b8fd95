// Durations and sizes as the configuration writes them. Runs anywhere.

const MS_PER_UNIT = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const DURATION = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;
const DURATION_PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g;

/** The longest delay that a timer takes (24.8 days). */
const MAX_DURATION_MS = 2 ** 31 - 1;

const BYTES_PER_UNIT = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3, tb: 1024 ** 4 } as const;
const SIZE = /^(\d+(?:\.\d+)?)(b|kb|mb|gb|tb)$/;

/** Milliseconds of `30s`, `500ms`, `1m30s`, `1.5h`, or null. */
export function parseDuration(text: string): number | null {
  if (!DURATION.test(text)) return null;
  let totalMs = 0;
  for (const [, amount, unit] of text.matchAll(DURATION_PART)) {
    totalMs += Number(amount) * MS_PER_UNIT[unit as keyof typeof MS_PER_UNIT];
  }
  const ms = Math.round(totalMs);
  return ms <= MAX_DURATION_MS ? ms : null;
}

/** Bytes of `512b`, `64kb`, `1.5mb` (in either case; a kilobyte is 1024 bytes), or null. */
export function parseSize(text: string): number | null {
  const match = SIZE.exec(text.toLowerCase());
  if (match === null) return null;
  const bytes = Math.round(Number(match[1]) * BYTES_PER_UNIT[match[2] as keyof typeof BYTES_PER_UNIT]);
  return Number.isSafeInteger(bytes) ? bytes : null;
}
