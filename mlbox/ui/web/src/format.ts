/** Values as people read them. All times are UTC, as the instance's are. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** At most four significant digits; thousands grouped; tiny and huge numbers with an exponent. */
export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (value === 0) return "0";
  if (Number.isInteger(value) && size < 1e12) return value.toLocaleString("en-US");
  if (size >= 1e12 || size < 1e-4) return value.toExponential(2).replace("e+", "e");
  if (size >= 1000) return value.toLocaleString("en-US", { maximumFractionDigits: size >= 1e5 ? 0 : 1 });
  return String(Number(value.toPrecision(4)));
}

export function milliseconds(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (value < 10) return `${Number(value.toFixed(2))} ms`;
  if (value < SECOND) return `${Number(value.toFixed(value < 100 ? 1 : 0))} ms`;
  return duration(value);
}

export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || ms < 0) return "–";
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < MINUTE) return `${(ms / SECOND).toFixed(1)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ${Math.floor((ms % MINUTE) / SECOND)} s`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ${Math.floor((ms % HOUR) / MINUTE)} min`;
  return `${Math.floor(ms / DAY)} d ${Math.floor((ms % DAY) / HOUR)} h`;
}

export function bytes(size: number | null | undefined): string {
  if (size === null || size === undefined) return "–";
  if (size < 1000) return `${size} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = size / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** `2013-07-01 06:00:00 UTC` */
export function instant(time: string | number): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return String(time);
  return `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** Without what is zero at the end: `2013-07-01`, `2013-07-01 06:00`. */
export function shortInstant(time: string | number): string {
  const text = instant(time).replace(" UTC", "");
  if (text.endsWith(" 00:00:00")) return text.slice(0, 10);
  return text.endsWith(":00") ? text.slice(0, -3) : text;
}

/** `just now`, `12 s ago`, `3 h ago`, `5 d ago`; a date when it is long ago; `in 5 min` when it is to come. */
export function relative(time: string | number, now: number): string {
  const then = new Date(time).getTime();
  if (Number.isNaN(then)) return String(time);
  const age = Math.abs(now - then);
  if (age < 5 * SECOND) return "just now";
  if (age > 30 * DAY) return instant(then).slice(0, 10);
  const [count, unit] =
    age < MINUTE
      ? [age / SECOND, "s"]
      : age < HOUR
        ? [age / MINUTE, "min"]
        : age < DAY
          ? [age / HOUR, "h"]
          : [age / DAY, "d"];
  const text = `${Math.floor(count)} ${unit}`;
  return then > now ? `in ${text}` : `${text} ago`;
}

/** The start of an id; eight digits resolve everywhere, twelve tell apart runs of the same minute. */
export const shortId = (id: string): string => id.slice(0, 12);

/** A parameter's or fact's value in one line. */
export function short(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "number") return number(value);
  if (typeof value === "string") {
    const numeric = value.trim() !== "" && /^-?[0-9.]+(e[-+]?[0-9]+)?$/i.test(value) ? Number(value) : Number.NaN;
    return Number.isNaN(numeric) ? value : number(numeric);
  }
  return typeof value === "boolean" ? String(value) : JSON.stringify(value);
}

export const plural = (count: number, one: string, many = `${one}s`): string => `${number(count)} ${count === 1 ? one : many}`;
