// Dates of HTTP fields (RFC 9110 section 5.6.7). Pure; data threads.

const DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
const LONG_DAY = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day";
const MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";
const TIME = "\\d{2}:\\d{2}:\\d{2}";
const IMF_FIXDATE = new RegExp(`^${DAY}, \\d{2} ${MONTH} \\d{4} ${TIME} GMT$`);
const RFC_850 = new RegExp(`^${LONG_DAY}, (\\d{2})-(${MONTH})-(\\d{2}) (${TIME}) GMT$`);
const ASCTIME = new RegExp(`^${DAY} (${MONTH}) ([ \\d]\\d) (${TIME}) (\\d{4})$`);

/** Milliseconds, or NaN for what is no date. */
export function parseHttpDate(text: string): number {
  if (IMF_FIXDATE.test(text)) return Date.parse(text);
  const [, day, month, year = "", time] = RFC_850.exec(text) ?? [];
  if (day !== undefined) return Date.parse(`${day} ${month} ${fullYear(Number(year))} ${time} GMT`);
  const [, short, date = "", clock, wholeYear] = ASCTIME.exec(text) ?? [];
  if (short === undefined) return Number.NaN;
  return Date.parse(`${date.trim()} ${short} ${wholeYear} ${clock} GMT`);
}

/** A year that seems to be more than 50 years ahead is one of the past. */
function fullYear(short: number): number {
  const now = new Date().getUTCFullYear();
  const year = now - (now % 100) + short;
  return year > now + 50 ? year - 100 : year;
}
