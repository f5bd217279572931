/** What every chart shares: axes, grid, markers, a cursor for pointer and arrow keys, and its readout. */

import { type KeyboardEvent, type PointerEvent, type ReactNode, useId, useMemo, useState } from "react";
import { instant, number } from "../format";
import { gathered, type Marker, named } from "./markers";
import { linear, nearest, type Scale, ticks, timeLabel, timeTicks, wholeTicks } from "./scale";
import { useWidth } from "./size";

/** One line of the readout. */
export interface Reading {
  label: string;
  value: string;
  /** Number of the series' colour; null: no swatch. */
  tone: number | null;
}

export type Axis = "step" | "time";

interface FrameProps {
  title: string;
  /** What a reader who cannot see the drawing should know. */
  summary: string;
  axis: Axis;
  /** Ascending places where the cursor may stop. */
  stops: readonly number[];
  domain: readonly [number, number];
  yDomain: readonly [number, number];
  formatY?: (value: number) => string;
  wholeY?: boolean;
  markers?: readonly Marker[];
  height?: number;
  read: (x: number) => Reading[];
  /** Words for the place of the cursor; by default the step or the time. */
  place?: (x: number) => string;
  children: (x: Scale, y: Scale) => ReactNode;
}

/** Room above the plot; markers write their names there. */
const TOP = 10;
const LANE = 16;
const BOTTOM = 22;
const RIGHT = 10;

export function Frame(props: FrameProps): ReactNode {
  const { title, summary, axis, stops, domain, yDomain, formatY = number, height = 170, markers = [] } = props;
  const [ref, width] = useWidth<HTMLDivElement>();
  const [cursor, setCursor] = useState<number | null>(null);
  const [byKeys, setByKeys] = useState(false);
  const describedBy = useId();

  const yTicks = useMemo(() => {
    const make = props.wholeY ? wholeTicks : ticks;
    return make(yDomain[0], yDomain[1], height < 140 ? 3 : 4);
  }, [yDomain, height, props.wholeY]);
  const left = Math.max(28, 12 + 6.3 * Math.max(...yTicks.map((tick) => formatY(tick).length)));
  const shown = markers.filter((marker) => marker.x >= domain[0] && marker.x <= domain[1]);
  const top = shown.length > 0 ? TOP + LANE : TOP;
  const x = linear(domain, [left, width - RIGHT]);
  const y = linear(yDomain, [height - BOTTOM, top]);
  const room = Math.max(2, Math.floor((width - left) / 72));
  const xTicks = axis === "time" ? timeTicks(domain[0], domain[1], room) : wholeTicks(domain[0], domain[1], room);
  const span = domain[1] - domain[0];

  const at = cursor === null ? null : (stops[Math.min(cursor, stops.length - 1)] ?? null);
  const place = (value: number): string => props.place?.(value) ?? (axis === "time" ? instant(value) : `step ${number(value)}`);
  const readings = at === null ? [] : props.read(at);

  const follow = (event: PointerEvent<SVGSVGElement>): void => {
    if (stops.length === 0) return;
    const box = event.currentTarget.getBoundingClientRect();
    const value = domain[0] + ((event.clientX - box.left - left) / Math.max(1, width - RIGHT - left)) * span;
    setByKeys(false);
    setCursor(nearest(stops, value));
  };
  const step = (event: KeyboardEvent<SVGSVGElement>): void => {
    const last = stops.length - 1;
    const from = cursor ?? last;
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last, PageUp: from - 10, PageDown: from + 10 }[event.key];
    if (event.key === "Escape") setCursor(null);
    if (to === undefined || last < 0) return;
    event.preventDefault();
    setByKeys(true);
    setCursor(Math.max(0, Math.min(last, to)));
  };

  return (
    <div className="chart" ref={ref}>
      <svg
        width={width}
        height={height}
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label={`${title}. ${summary}`}
        aria-describedby={describedBy}
        tabIndex={0}
        onPointerMove={follow}
        onPointerDown={follow}
        onPointerLeave={() => setCursor(null)}
        onKeyDown={step}
        onFocus={(event) => {
          if (event.currentTarget.matches(":focus-visible")) setCursor(stops.length - 1);
        }}
        onBlur={() => setCursor(null)}
      >
        <g className="grid">
          {yTicks.map((tick) => (
            <g key={tick}>
              <line x1={left} x2={width - RIGHT} y1={y(tick)} y2={y(tick)} />
              <text x={left - 6} y={y(tick)} dy="0.32em" textAnchor="end">
                {formatY(tick)}
              </text>
            </g>
          ))}
          {xTicks.map((tick) => (
            <text key={tick} x={x(tick)} y={height - 6} textAnchor={anchor(x(tick), left, width)}>
              {axis === "time" ? timeLabel(tick, span) : number(tick)}
            </text>
          ))}
        </g>
        {props.children(x, y)}
        {named(gathered(shown, x), width).map(({ places, name }) => (
          <g key={places[0]} className="marker">
            {places.map((place) => (
              <g key={place}>
                <line x1={place} x2={place} y1={12} y2={height - BOTTOM} />
                <path d={`M${place - 5} 5h10l-5 8z`} />
              </g>
            ))}
            {name && (
              <text x={name.x} y={13} textAnchor={name.anchor}>
                {name.text}
              </text>
            )}
          </g>
        ))}
        {at !== null && <line className="cursor" x1={x(at)} x2={x(at)} y1={top} y2={height - BOTTOM} />}
      </svg>
      {at !== null && (
        <div className="readout" style={x(at) > width / 2 ? { right: width - x(at) + 10 } : { left: x(at) + 10 }}>
          <strong>{place(at)}</strong>
          {readings.map((reading) => (
            <span key={reading.label}>
              {reading.tone !== null && <i className={`swatch tone-${reading.tone}`} />}
              {reading.label} <b>{reading.value}</b>
            </span>
          ))}
        </div>
      )}
      <span id={describedBy} className="unseen" aria-live="polite">
        {byKeys && at !== null ? `${place(at)}: ${readings.map((r) => `${r.label} ${r.value}`).join(", ")}` : "Arrow keys move along the chart."}
      </span>
    </div>
  );
}

const anchor = (place: number, left: number, width: number): "start" | "middle" | "end" =>
  place < left + 20 ? "start" : place > width - RIGHT - 24 ? "end" : "middle";
