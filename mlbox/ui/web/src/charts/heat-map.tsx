/** Feature by window: a table whose cells are shaded, marked and, where there is room, written. */

import { type KeyboardEvent, type ReactNode, useLayoutEffect, useMemo, useRef, useState } from "react";
import { number, plural, shortInstant } from "../format";

export interface HeatCell {
  feature: string;
  start: string;
  end: string;
  value: number | null;
  n: number | null;
}

/** Bounds from which a value is notable, and from which it is large; null: shaded by size alone. */
export type Bounds = readonly [number, number] | null;

interface HeatMapProps {
  label: string;
  cells: readonly HeatCell[];
  bounds: Bounds;
}

/** With more windows than this the cells are too narrow for numbers. */
const WRITTEN = 31;

export function HeatMap({ label, cells, bounds }: HeatMapProps): ReactNode {
  const { features, windows, byPlace, largest } = useMemo(() => arranged(cells), [cells]);
  const [at, setAt] = useState<readonly [number, number] | null>(null);
  const [home, setHome] = useState<readonly [number, number]>([0, 0]);
  const body = useRef<HTMLTableSectionElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const written = windows.length <= WRITTEN;

  // The newest windows are at the right end, and they matter most.
  useLayoutEffect(() => {
    if (box.current) box.current.scrollLeft = box.current.scrollWidth;
  }, [windows.length]);

  const focus = (row: number, column: number): void => {
    const to = [clamp(row, features.length), clamp(column, windows.length)] as const;
    setHome(to);
    body.current?.rows[to[0]]?.cells[to[1] + 1]?.focus();
  };
  const step = (event: KeyboardEvent, row: number, column: number): void => {
    const to = {
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      Home: [row, 0],
      End: [row, windows.length - 1],
    }[event.key];
    if (!to) return;
    event.preventDefault();
    focus(to[0] ?? 0, to[1] ?? 0);
  };
  const chosen = at && byPlace.get(`${features[at[0]]}\n${windows[at[1]]?.start}`);

  return (
    <div className="heat">
      <div className="heat-box" ref={box}>
        <table role="grid" aria-label={label} className={written ? "written" : "narrow"}>
          <thead>
            <tr>
              <th scope="col">Feature</th>
              {windows.map((window, i) => (
                <th key={window.start} scope="col" title={`${shortInstant(window.start)} to ${shortInstant(window.end)}`}>
                  {written || i % Math.ceil(windows.length / 12) === 0 ? columnLabel(window.start, windows[i - 1]?.start) : ""}
                </th>
              ))}
            </tr>
          </thead>
          <tbody ref={body}>
            {features.map((feature, row) => (
              <tr key={feature}>
                <th scope="row">{feature}</th>
                {windows.map((window, column) => {
                  const cell = byPlace.get(`${feature}\n${window.start}`);
                  const level = levelOf(cell?.value ?? null, bounds, largest);
                  return (
                    <td
                      key={window.start}
                      role="gridcell"
                      tabIndex={home[0] === row && home[1] === column ? 0 : -1}
                      className={`level-${level}`}
                      aria-label={wordsOf(feature, window, cell, bounds)}
                      onFocus={() => {
                        setAt([row, column]);
                        setHome([row, column]);
                      }}
                      onBlur={() => setAt(null)}
                      onPointerEnter={() => setAt([row, column])}
                      onPointerLeave={() => setAt(null)}
                      onKeyDown={(event) => step(event, row, column)}
                    >
                      {written ? digits(cell?.value ?? null) : markOf(cell?.value ?? null, bounds)}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="heat-readout" aria-hidden="true">
        {at ? wordsOf(features[at[0]] ?? "", windows[at[1]], chosen || undefined, bounds) : "Point at a cell, or move with the arrow keys, to read it."}
      </p>
      <Legend bounds={bounds} largest={largest} />
    </div>
  );
}

function Legend({ bounds, largest }: { bounds: Bounds; largest: number }): ReactNode {
  return (
    <ul className="heat-legend" aria-label="Legend">
      {bounds ? (
        <>
          <li>
            <i className="level-1" /> below {bounds[0]}: stable
          </li>
          <li>
            <i className="level-3">!</i> {bounds[0]} to {bounds[1]}: look
          </li>
          <li>
            <i className="level-5">‼</i> {bounds[1]} and more: drifted
          </li>
        </>
      ) : (
        <li>
          0 <i className="level-0" />
          <i className="level-1" />
          <i className="level-2" />
          <i className="level-3" />
          <i className="level-4" /> {number(largest)}
        </li>
      )}
      <li>
        <i className="level-none">·</i> no value
      </li>
    </ul>
  );
}

interface Window {
  start: string;
  end: string;
}

/** Features by their largest value, windows by time. */
export function arranged(cells: readonly HeatCell[]): {
  features: string[];
  windows: Window[];
  byPlace: Map<string, HeatCell>;
  largest: number;
} {
  const top = new Map<string, number>();
  const windows = new Map<string, string>();
  for (const cell of cells) {
    top.set(cell.feature, Math.max(top.get(cell.feature) ?? -Infinity, cell.value ?? -Infinity));
    windows.set(cell.start, cell.end);
  }
  const features = [...top].sort(([a, x], [b, y]) => (x === y ? a.localeCompare(b) : y - x)).map(([feature]) => feature);
  return {
    features,
    windows: [...windows].map(([start, end]) => ({ start, end })).sort((a, b) => a.start.localeCompare(b.start)),
    byPlace: new Map(cells.map((cell) => [`${cell.feature}\n${cell.start}`, cell])),
    largest: Math.max(0, ...[...top.values()].filter(Number.isFinite)),
  };
}

/** 0 to 5: how strongly a cell is shaded. */
export function levelOf(value: number | null, bounds: Bounds, largest: number): number | "none" {
  if (value === null) return "none";
  if (!bounds) return largest > 0 ? Math.min(4, Math.floor((value / largest) * 5)) : 0;
  const [notable, large] = bounds;
  if (value >= large) return 5;
  if (value >= notable) return value >= (notable + large) / 2 ? 4 : 3;
  return value >= notable / 2 ? 1 : 0;
}

const markOf = (value: number | null, bounds: Bounds): string =>
  value === null ? "·" : !bounds || value < bounds[0] ? "" : value < bounds[1] ? "!" : "‼";

const digits = (value: number | null): string => {
  if (value === null) return "·";
  const text = value >= 10 ? value.toFixed(0) : value.toFixed(2);
  return text.replace(/^(-?)0\./, "$1.");
};

function wordsOf(feature: string, window: Window | undefined, cell: HeatCell | undefined, bounds: Bounds): string {
  if (!window) return feature;
  const when = `${feature}, ${shortInstant(window.start)} to ${shortInstant(window.end)}`;
  if (!cell || cell.value === null) return `${when}: no value`;
  const meaning = !bounds ? "" : cell.value >= bounds[1] ? ", drifted" : cell.value >= bounds[0] ? ", look" : ", stable";
  return `${when}: ${number(cell.value)}${meaning}${cell.n === null ? "" : `, of ${plural(cell.n, "row")}`}`;
}

/** What is new against the window before: the day of the month, the month too, or the hour alone. */
export function columnLabel(start: string, before: string | undefined): string {
  const text = shortInstant(start);
  const last = before === undefined ? "" : shortInstant(before);
  if (last.slice(0, 10) === text.slice(0, 10)) return text.slice(11);
  return last.slice(0, 7) === text.slice(0, 7) ? text.slice(8, 10) : text.slice(5, 10);
}

const clamp = (index: number, length: number): number => Math.max(0, Math.min(length - 1, index));
