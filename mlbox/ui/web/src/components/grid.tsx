/** A result as a table of any length: only the rows in sight are drawn. Sortable; the arrow keys move from cell to cell. */

import { type KeyboardEvent, type ReactNode, type UIEvent, useEffect, useId, useMemo, useRef, useState } from "react";
import type { Cell, Column } from "../api";
import { cellText } from "../sql/csv";
import { Copy } from "./copy";
import { Icon } from "./icon";

const ROW = 28;
const TALLEST = 420;
const BEYOND = 8;
const SAMPLE = 200;
const LETTER = 7.7;

const NUMERIC = /^(u?int|float|double|decimal|halffloat)/;
const isNumeric = (type: string): boolean => NUMERIC.test(type);

interface Sorting {
  column: number;
  down: boolean;
}

/** NULL last, whichever way. Integers beyond 2^53 are texts, hence the conversion. */
export function order(rows: readonly Cell[][], column: number, numeric: boolean, down: boolean): number[] {
  const keys = rows.map((row) => {
    const cell = row[column] ?? null;
    return cell === null ? null : numeric ? Number(cell) : typeof cell === "object" ? JSON.stringify(cell) : cell;
  });
  const sign = down ? -1 : 1;
  return rows
    .map((_, index) => index)
    .sort((a, b) => {
      const left = keys[a] ?? null;
      const right = keys[b] ?? null;
      if (left === null || right === null) return left === right ? a - b : left === null ? 1 : -1;
      return left < right ? -sign : left > right ? sign : a - b;
    });
}

function widthOf(column: Column, rows: readonly Cell[][], index: number): number {
  let letters = column.name.length + 3;
  for (const row of rows.slice(0, SAMPLE)) letters = Math.max(letters, Math.min(cellText(row[index] ?? null).length, 48));
  return Math.round(Math.max(56, Math.min(letters * LETTER + 22, 380)));
}

interface GridProps {
  label: string;
  columns: readonly Column[];
  rows: readonly Cell[][];
}

export function Grid({ label, columns, rows }: GridProps): ReactNode {
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [sorting, setSorting] = useState<Sorting | null>(null);
  const [active, setActive] = useState<{ row: number; column: number } | null>(null);

  const sorted = useMemo(
    () => (sorting ? order(rows, sorting.column, isNumeric(columns[sorting.column]?.type ?? ""), sorting.down) : null),
    [rows, columns, sorting],
  );
  const widths = useMemo(() => columns.map((column, index) => widthOf(column, rows, index)), [columns, rows]);
  const total = widths.reduce((sum, width) => sum + width, 0);
  // What is left over goes to the last column, but not between a number and its neighbours.
  const stretch = !isNumeric(columns.at(-1)?.type ?? "");
  const template = widths.map((width, index) => (stretch && index === widths.length - 1 ? `minmax(${width}px, 1fr)` : `${width}px`)).join(" ");

  const height = Math.min(TALLEST, (rows.length + 1) * ROW + 14);
  const first = Math.max(0, Math.floor(top / ROW) - BEYOND);
  const last = Math.min(rows.length, Math.ceil((top + TALLEST) / ROW) + BEYOND);

  // The active cell stays in sight, beside the header that stands still.
  useEffect(() => {
    const element = box.current;
    if (!active || !element) return;
    const above = active.row * ROW;
    if (above < element.scrollTop) element.scrollTop = above;
    else if (above + 2 * ROW + 14 > element.scrollTop + element.clientHeight) element.scrollTop = above + 2 * ROW + 14 - element.clientHeight;
    const left = widths.slice(0, active.column).reduce((sum, width) => sum + width, 0);
    const right = left + (widths[active.column] ?? 0);
    if (left < element.scrollLeft) element.scrollLeft = left;
    else if (right > element.scrollLeft + element.clientWidth) element.scrollLeft = right - element.clientWidth;
  }, [active, widths]);

  const move = (event: KeyboardEvent): void => {
    const page = Math.floor(TALLEST / ROW) - 2;
    const at = active ?? { row: 0, column: 0 };
    const steps: Record<string, [number, number]> = {
      ArrowDown: [1, 0],
      ArrowUp: [-1, 0],
      ArrowRight: [0, 1],
      ArrowLeft: [0, -1],
      PageDown: [page, 0],
      PageUp: [-page, 0],
      Home: [event.ctrlKey ? -rows.length : 0, -columns.length],
      End: [event.ctrlKey ? rows.length : 0, columns.length],
    };
    const step = steps[event.key];
    if (event.key === "Escape") setActive(null);
    if (!step || event.target !== box.current) return;
    event.preventDefault();
    const keep = (value: number, most: number): number => Math.max(0, Math.min(value, most - 1));
    setActive(active ? { row: keep(at.row + step[0], rows.length), column: keep(at.column + step[1], columns.length) } : at);
  };

  const sort = (column: number): void =>
    setSorting((was) => (was?.column !== column ? { column, down: false } : was.down ? null : { column, down: true }));

  const activeRow = active ? (sorted ? sorted[active.row] : active.row) : undefined;
  const chosen = active && activeRow !== undefined ? rows[activeRow]?.[active.column] : undefined;
  const drawn: number[] = [];
  for (let index = first; index < last; index++) drawn.push(index);

  return (
    <div className="grid-frame">
      <div
        ref={box}
        className="data-grid"
        role="grid"
        aria-label={label}
        aria-rowcount={rows.length + 1}
        aria-colcount={columns.length}
        aria-activedescendant={active ? `${id}-${active.row}-${active.column}` : undefined}
        tabIndex={0}
        style={{ height }}
        onScroll={(event: UIEvent<HTMLDivElement>) => setTop(event.currentTarget.scrollTop)}
        onKeyDown={move}
      >
        <div className="grid-inner" role="presentation" style={{ minWidth: total, height: (rows.length + 1) * ROW }}>
          <div className="grid-row grid-head" role="row" aria-rowindex={1} style={{ gridTemplateColumns: template }}>
            {columns.map((column, index) => {
              const way = sorting?.column === index ? (sorting.down ? "descending" : "ascending") : "none";
              return (
                <div key={index} role="columnheader" aria-colindex={index + 1} aria-sort={way} className={isNumeric(column.type) ? "right" : undefined}>
                  <button type="button" title={`${column.name}: ${column.type}. Sort`} onClick={() => sort(index)}>
                    <span>{column.name}</span>
                    {way !== "none" && <span aria-hidden="true">{way === "ascending" ? "▲" : "▼"}</span>}
                  </button>
                </div>
              );
            })}
          </div>
          {drawn.map((index) => {
            const row = rows[sorted?.[index] ?? index] ?? [];
            return (
              <div
                key={index}
                className="grid-row"
                role="row"
                aria-rowindex={index + 2}
                style={{ gridTemplateColumns: template, top: (index + 1) * ROW }}
              >
                {columns.map((column, at) => (
                  <div
                    key={at}
                    id={`${id}-${index}-${at}`}
                    role="gridcell"
                    aria-colindex={at + 1}
                    className={[isNumeric(column.type) ? "right" : "", active?.row === index && active.column === at ? "active" : ""].join(" ").trim() || undefined}
                    onClick={() => setActive({ row: index, column: at })}
                  >
                    {(row[at] ?? null) === null ? <span className="null">NULL</span> : cellText(row[at] ?? null)}
                  </div>
                ))}
              </div>
            );
          })}
        </div>
      </div>
      {active && chosen !== undefined && (
        <div className="grid-value">
          <span className="grid-value-name">
            {columns[active.column]?.name}, row {(active.row + 1).toLocaleString("en-US")}
          </span>
          <pre tabIndex={0}>{chosen === null ? "NULL" : typeof chosen === "object" ? JSON.stringify(chosen, null, 2) : cellText(chosen)}</pre>
          <Copy text={cellText(chosen)} label="Copy value" />
          <button type="button" className="button small" aria-label="Close the value" onClick={() => setActive(null)}>
            <Icon name="close" />
          </button>
        </div>
      )}
    </div>
  );
}
