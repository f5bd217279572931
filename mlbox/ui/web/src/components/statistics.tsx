/** Columns with their statistics, a line each. */

import type { ReactNode } from "react";
import { asObject, type Row } from "../api";
import { type Bin, binsOf, Histogram } from "../charts/histogram";
import { number, plural } from "../format";
import { type ColumnFacts, numbersOf } from "../viewers/columns";
import { Nothing } from "./nothing";
import { Table, type TableColumn } from "./table";

const numeric = (stats: Row | null, name: string): ReactNode => {
  const value = stats?.[name];
  return typeof value === "number" ? number(value) : <Nothing />;
};

/** The distribution as bins, or as the most frequent values. */
export function distribution(stats: Row): { bins: Bin[]; ordered: boolean } {
  const { edges, counts } = asObject(stats["histogram"]);
  if (edges !== undefined) return { bins: binsOf(numbersOf(edges), numbersOf(counts)), ordered: true };
  const top = Object.entries(asObject(stats["top"])).map(([label, count]) => ({ label, count: Number(count) }));
  return { bins: top.sort((a, b) => b.count - a.count), ordered: false };
}

function Drawn({ column }: { column: ColumnFacts }): ReactNode {
  if (!column.stats) return <Nothing />;
  const { bins, ordered } = distribution(column.stats);
  if (bins.length === 0) return <Nothing />;
  return <Histogram name={column.name} bins={bins} ordered={ordered} />;
}

export function StatisticsTable({ label, columns }: { label: string; columns: readonly ColumnFacts[] }): ReactNode {
  const typed = columns.some((column) => column.type !== "");
  const counted = columns.some((column) => column.stats !== null);
  const distinct = (stats: Row | null): ReactNode =>
    typeof stats?.["distinct_count"] === "number" ? plural(stats["distinct_count"], "value") : numeric(stats, "mean");
  const right = (key: string, title: string): TableColumn<ColumnFacts> => ({
    key,
    title,
    right: true,
    className: "nowrap",
    cell: ({ stats }) => (key === "mean" ? distinct(stats) : numeric(stats, key)),
  });
  return (
    <Table
      label={label}
      narrow="scroll"
      rows={columns}
      rowKey={(column) => column.name}
      columns={[
        { key: "name", title: "Column", className: "column-name", cell: (column) => <span title={column.name}>{column.name}</span> },
        ...(typed ? [{ key: "type", title: "Type", className: "nowrap", cell: (column: ColumnFacts) => column.type || <Nothing /> }] : []),
        ...(counted
          ? [
              { key: "drawn", title: "Distribution", cell: (column: ColumnFacts) => <Drawn column={column} /> },
              right("count", "Values"),
              right("nulls", "Missing"),
              right("mean", "Mean"),
              right("std", "Deviation"),
              right("min", "Lowest"),
              right("max", "Highest"),
            ]
          : []),
      ]}
    />
  );
}
