/** Lines over steps or time. A line differs from the others by dash and by name, not by colour alone. */

import { type ReactNode, useMemo } from "react";
import { number } from "../format";
import { type Axis, Frame, type Reading } from "./frame";
import type { Marker } from "./markers";
import { domainOf, extent, type Scale } from "./scale";

export interface Point {
  x: number;
  y: number | null;
}

export interface Series {
  key: string;
  label: string;
  /** Ascending by x. */
  points: readonly Point[];
  /** 1 to 8. */
  tone: number;
  /** Drawn thick and last; the others step back. */
  strong?: boolean;
}

interface LineChartProps {
  title: string;
  series: readonly Series[];
  axis: Axis;
  formatY?: (value: number) => string;
  fromZero?: boolean;
  markers?: readonly Marker[];
  height?: number;
  place?: (x: number) => string;
  /** By default from the first to the last point. */
  domain?: readonly [number, number];
}

const DASHES = ["", "6 3", "2 3", "8 3 2 3", "12 4", "4 2", "1 3", "10 3 2 3 2 3"];
/** More readings than this do not fit beside the cursor. */
const READINGS = 8;

export function LineChart(props: LineChartProps): ReactNode {
  const { series, formatY = number } = props;
  const stops = useMemo(() => [...new Set(series.flatMap((one) => one.points.map((point) => point.x)))].sort((a, b) => a - b), [series]);
  const domain = props.domain ?? widened(extent(stops) ?? [0, 1], props.axis);
  const yDomain = useMemo(
    () => domainOf(series.flatMap((one) => one.points.map((point) => point.y)), props.fromZero ?? false),
    [series, props.fromZero],
  );
  const byPlace = useMemo(() => series.map((one) => new Map(one.points.map((point) => [point.x, point.y]))), [series]);

  const read = (x: number): Reading[] => {
    const found = series.flatMap((one, i): (Reading & { strong: boolean })[] => {
      const value = byPlace[i]?.get(x);
      return value === undefined || value === null
        ? []
        : [{ label: one.label, value: formatY(value), tone: one.tone, strong: one.strong ?? false }];
    });
    return found.sort((a, b) => Number(b.strong) - Number(a.strong)).slice(0, READINGS);
  };

  const ordered = [...series].sort((a, b) => Number(a.strong ?? false) - Number(b.strong ?? false));
  const someStrong = series.some((one) => one.strong);
  return (
    <Frame
      title={props.title}
      summary={summaryOf(series, formatY)}
      axis={props.axis}
      stops={stops}
      domain={domain}
      yDomain={yDomain}
      formatY={formatY}
      read={read}
      {...(props.markers ? { markers: props.markers } : {})}
      {...(props.height ? { height: props.height } : {})}
      {...(props.place ? { place: props.place } : {})}
    >
      {(x, y) =>
        ordered.map((one) => (
          <g key={one.key} className={`series tone-${one.tone}${someStrong && !one.strong ? " faint" : ""}`}>
            <path d={pathOf(one.points, x, y)} strokeDasharray={DASHES[(one.tone - 1) % DASHES.length]} />
            {one.points.length <= 16 &&
              one.points.map((point) => point.y !== null && <circle key={point.x} cx={x(point.x)} cy={y(point.y)} r={2.4} />)}
          </g>
        ))
      }
    </Frame>
  );
}

function widened([low, high]: readonly [number, number], axis: Axis): [number, number] {
  if (high > low) return [low, high];
  const air = axis === "time" ? 60_000 : 1;
  return [low - air, high + air];
}

/** A missing value breaks the line. */
export function pathOf(points: readonly Point[], x: Scale, y: Scale): string {
  let path = "";
  let pen = "M";
  for (const point of points) {
    if (point.y === null || !Number.isFinite(point.y)) {
      pen = "M";
      continue;
    }
    path += `${pen}${x(point.x).toFixed(1)} ${y(point.y).toFixed(1)}`;
    pen = "L";
  }
  return path;
}

function summaryOf(series: readonly Series[], formatY: (value: number) => string): string {
  return series
    .slice(0, READINGS)
    .map((one) => {
      const values = one.points.map((point) => point.y).filter((value): value is number => value !== null);
      const range = extent(values);
      const last = values.at(-1);
      if (!range || last === undefined) return `${one.label}: no values`;
      return `${one.label}: ${values.length} points, from ${formatY(range[0])} to ${formatY(range[1])}, last ${formatY(last)}`;
    })
    .join("; ");
}
