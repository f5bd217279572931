/** Counts per bucket of time, the failed ones hatched at the foot of their bar. */

import { type ReactNode, useId } from "react";
import { number } from "../format";
import { Frame } from "./frame";
import type { Marker } from "./markers";
import { domainOf } from "./scale";

export interface Bar {
  /** Start of the bucket, milliseconds. */
  x: number;
  total: number;
  failed: number;
}

interface BarChartProps {
  title: string;
  bars: readonly Bar[];
  /** Width of a bucket in milliseconds. */
  bucket: number;
  domain: readonly [number, number];
  markers?: readonly Marker[];
  height?: number;
}

export function BarChart({ title, bars, bucket, domain, markers, height }: BarChartProps): ReactNode {
  const hatch = useId();
  const byPlace = new Map(bars.map((bar) => [bar.x, bar]));
  const total = bars.reduce((sum, bar) => sum + bar.total, 0);
  const failed = bars.reduce((sum, bar) => sum + bar.failed, 0);
  return (
    <Frame
      title={title}
      summary={`${number(total)} requests in ${bars.length} intervals, ${number(failed)} failed.`}
      axis="time"
      stops={bars.map((bar) => bar.x)}
      domain={domain}
      yDomain={domainOf(bars.map((bar) => bar.total), true)}
      wholeY
      read={(x) => {
        const bar = byPlace.get(x);
        return bar
          ? [
              { label: "requests", value: number(bar.total), tone: 1 },
              { label: "errors", value: number(bar.failed), tone: bar.failed > 0 ? 8 : null },
            ]
          : [];
      }}
      {...(markers ? { markers } : {})}
      {...(height ? { height } : {})}
    >
      {(x, y) => (
        <g className="bars">
          <defs>
            <pattern id={hatch} width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
              <rect width="5" height="5" className="hatch-ground" />
              <line x1="0" y1="0" x2="0" y2="5" className="hatch-line" />
            </pattern>
          </defs>
          {bars.map((bar) => {
            const from = x(bar.x);
            const width = Math.max(1, x(bar.x + bucket) - from - 1);
            const foot = y(0);
            const split = y(bar.failed);
            return (
              <g key={bar.x}>
                <rect className="bar" x={from} width={width} y={y(bar.total)} height={Math.max(0, split - y(bar.total))} />
                {bar.failed > 0 && <rect x={from} width={width} y={split} height={Math.max(1.5, foot - split)} fill={`url(#${hatch})`} />}
              </g>
            );
          })}
        </g>
      )}
    </Frame>
  );
}
