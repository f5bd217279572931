/** Scales and ticks: pure arithmetic. */

export interface Scale {
  (value: number): number;
  domain: readonly [number, number];
}

export function linear(domain: readonly [number, number], range: readonly [number, number]): Scale {
  const [low, high] = domain;
  const span = high - low || 1;
  const scale = (value: number): number => range[0] + ((value - low) / span) * (range[1] - range[0]);
  return Object.assign(scale, { domain });
}

/** Round numbers (1, 2, 5 times a power of ten) between `low` and `high`, about `count` of them. */
export function ticks(low: number, high: number, count: number): number[] {
  if (!(high > low) || count < 1) return [low];
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw * 0.999) ?? raw;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  // Multiplying keeps 0.3 from becoming 0.30000000000000004.
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Whole steps only, for axes that count. */
export const wholeTicks = (low: number, high: number, count: number): number[] =>
  [...new Set(ticks(low, high, count).map(Math.round))].filter((tick) => tick >= low && tick <= high);

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const TIME_STEPS = [
  SECOND, 2 * SECOND, 5 * SECOND, 15 * SECOND, 30 * SECOND,
  MINUTE, 2 * MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR,
  DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY, 91 * DAY, 365 * DAY,
];

/** Whole seconds, minutes, hours or days (UTC) between `low` and `high`. */
export function timeTicks(low: number, high: number, count: number): number[] {
  const raw = (high - low) / Math.max(1, count);
  const step = TIME_STEPS.find((candidate) => candidate >= raw) ?? Math.ceil(raw / (365 * DAY)) * 365 * DAY;
  const found: number[] = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) found.push(tick);
  return found.length > 0 ? found : [low];
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** A tick's words, as fine as the distance between ticks asks for. */
export function timeLabel(tick: number, span: number): string {
  const date = new Date(tick);
  const day = `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
  const clock = date.toISOString().slice(11, span < 5 * MINUTE ? 19 : 16);
  if (span > 400 * DAY) return `${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
  if (span > 3 * DAY) return day;
  return tick % DAY === 0 ? day : clock;
}

/** The extent of some numbers, a little wider when they are all the same; null without any. */
export function extent(values: Iterable<number | null>): [number, number] | null {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null || !Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return null;
  return [low, high];
}

/** A domain for the upright axis: from zero for counts, else with some air above and below. */
export function domainOf(values: Iterable<number | null>, fromZero: boolean): [number, number] {
  const found = extent(values) ?? [0, 1];
  const [low, high] = found;
  if (fromZero) return [Math.min(0, low), high > 0 ? high * 1.06 : 1];
  const air = (high - low || Math.abs(high) * 0.1 || 1) * 0.08;
  return [low - air, high + air];
}

/** Index of the number nearest to `target` in an ascending list. */
export function nearest(sorted: readonly number[], target: number): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) < target) low = middle + 1;
    else high = middle;
  }
  const left = sorted[low - 1];
  const right = sorted[low];
  return left !== undefined && right !== undefined && target - left < right - target ? low - 1 : low;
}
