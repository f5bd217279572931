/** Parallel coordinates: an upright axis for each value, a line for each row. Arrow keys and the pointer choose a line. */

import { type KeyboardEvent, type PointerEvent, type ReactNode, useId, useMemo, useState } from "react";
import { number } from "../format";
import { extent, linear, type Scale } from "./scale";
import { useWidth } from "./size";

export interface ParallelRow {
  key: string;
  label: string;
  /** One value an axis; null: none. */
  values: readonly (number | string | null)[];
  strong?: boolean;
}

interface ParallelProps {
  title: string;
  axes: readonly string[];
  rows: readonly ParallelRow[];
  height?: number;
}

const TOP = 30;
const BOTTOM = 12;
const SIDE = 44;
/** Axes nearer than this write their names over each other, pixels; then the chart scrolls in its own box. */
const NEAREST = 64;
/** From this ratio of the greatest to the least on, equal steps are equal factors. */
const LOGARITHMIC = 100;

export interface UprightAxis {
  name: string;
  place: (value: number | string | null) => number | null;
  ends: readonly [string, string];
}

/** Numbers by size, by logarithm where they span much; anything else in the order of its first appearance. */
export function uprightAxis(name: string, values: readonly (number | string | null)[], range: readonly [number, number]): UprightAxis {
  const known = values.filter((value): value is number | string => value !== null);
  const numbers = known.filter((value): value is number => typeof value === "number" && Number.isFinite(value));
  if (numbers.length === known.length) {
    const [low, high] = extent(numbers) ?? [0, 1];
    const byFactor = low > 0 && high / low >= LOGARITHMIC;
    const turn = byFactor ? Math.log : (value: number): number => value;
    const scale: Scale = linear(high > low ? [turn(low), turn(high)] : [turn(low) - 1, turn(high) + 1], range);
    return { name, place: (value) => (typeof value === "number" ? scale(turn(value)) : null), ends: [number(low), number(high)] };
  }
  const words = [...new Set(known.map(String))];
  const scale = linear([0, Math.max(1, words.length - 1)], range);
  const middle = (range[0] + range[1]) / 2;
  const place = (value: number | string | null): number | null =>
    value === null ? null : words.length === 1 ? middle : scale(words.indexOf(String(value)));
  return { name, place, ends: [words[0] ?? "", words.length > 1 ? (words.at(-1) ?? "") : ""] };
}

export function ParallelChart({ title, axes, rows, height = 220 }: ParallelProps): ReactNode {
  const [ref, room] = useWidth<HTMLDivElement>();
  const width = Math.max(room, 2 * SIDE + NEAREST * (axes.length - 1));
  const [chosen, setChosen] = useState<number | null>(null);
  const describedBy = useId();
  const x = linear([0, Math.max(1, axes.length - 1)], [SIDE, width - SIDE]);
  const uprights = useMemo(
    () => axes.map((name, i) => uprightAxis(name, rows.map((row) => row.values[i] ?? null), [height - BOTTOM - 12, TOP])),
    [axes, rows, height],
  );
  const lines = rows.map((row) => row.values.map((value, i) => ({ x: x(i), y: uprights[i]?.place(value) ?? null })));
  const row = chosen === null ? undefined : rows[chosen];

  const follow = (event: PointerEvent<SVGSVGElement>): void => {
    const box = event.currentTarget.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    let nearestRow: number | null = null;
    let least = 24;
    lines.forEach((line, index) => {
      for (let i = 1; i < line.length; i++) {
        const [from, to] = [line[i - 1], line[i]];
        if (!from || !to || from.y === null || to.y === null || px < from.x || px > to.x) continue;
        const away = Math.abs(from.y + ((px - from.x) / (to.x - from.x || 1)) * (to.y - from.y) - py);
        if (away < least) [least, nearestRow] = [away, index];
      }
    });
    setChosen(nearestRow);
  };
  const step = (event: KeyboardEvent<SVGSVGElement>): void => {
    const last = rows.length - 1;
    const from = chosen ?? -1;
    const to = { ArrowUp: from - 1, ArrowLeft: from - 1, ArrowDown: from + 1, ArrowRight: from + 1, Home: 0, End: last }[event.key];
    if (event.key === "Escape") setChosen(null);
    if (to === undefined) return;
    event.preventDefault();
    setChosen(Math.max(0, Math.min(last, to)));
  };
  const readings = row ? axes.map((name, i) => ({ name, value: shown(row.values[i] ?? null) })) : [];

  return (
    <div className="chart parallel" ref={ref}>
      <div className="parallel-box">
        <svg
          width={width}
          height={height}
          viewBox={`0 0 ${width} ${height}`}
          role="img"
          aria-label={`${title}. ${rows.length} lines over ${axes.join(", ")}.`}
          aria-describedby={describedBy}
          tabIndex={0}
          onPointerMove={follow}
          onPointerDown={follow}
          onPointerLeave={() => setChosen(null)}
          onKeyDown={step}
          onBlur={() => setChosen(null)}
        >
          <g className="grid">
            {uprights.map((axis, i) => (
              <g key={axis.name}>
                <line x1={x(i)} x2={x(i)} y1={TOP} y2={height - BOTTOM - 12} />
                <text x={x(i)} y={12} textAnchor="middle" className="axis-name">
                  {cut(axis.name, axes.length)}
                </text>
                <text x={x(i)} y={TOP - 5} textAnchor="middle">
                  {cut(axis.ends[1], axes.length)}
                </text>
                <text x={x(i)} y={height - 6} textAnchor="middle">
                  {cut(axis.ends[0], axes.length)}
                </text>
              </g>
            ))}
          </g>
          {rows.map((one, index) => (
            <g key={one.key} className={lineClass(one, index === chosen)}>
              <path d={pathOver(lines[index] ?? [])} />
            </g>
          ))}
        </svg>
      </div>
      <p className="parallel-readout" aria-hidden="true">
        {row ? (
          <>
            <strong>{row.label}</strong>
            {readings.map((reading) => (
              <span key={reading.name}>
                {reading.name} <b>{reading.value}</b>
              </span>
            ))}
          </>
        ) : (
          "Point at a line, or move with the arrow keys, to read it."
        )}
      </p>
      <span id={describedBy} className="unseen" aria-live="polite">
        {row ? `${row.label}: ${readings.map((r) => `${r.name} ${r.value}`).join(", ")}` : "Arrow keys go from line to line."}
      </span>
    </div>
  );
}

const shown = (value: number | string | null): string => (value === null ? "–" : typeof value === "number" ? number(value) : value);

function lineClass(row: ParallelRow, chosen: boolean): string {
  if (chosen) return "series tone-2 chosen";
  return row.strong ? "series tone-1 chosen" : "series tone-1 faint";
}

/** As many letters as the room between axes takes. */
function cut(text: string, axes: number): string {
  const most = axes > 6 ? 8 : 14;
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** A missing value leaves a gap. */
export function pathOver(points: readonly { x: number; y: number | null }[]): string {
  let path = "";
  let pen = "M";
  for (const point of points) {
    if (point.y === null) {
      pen = "M";
      continue;
    }
    path += `${pen}${point.x.toFixed(1)} ${point.y.toFixed(1)}`;
    pen = "L";
  }
  return path;
}
