import type { ReactNode } from "react";

export interface TableColumn<T> {
  key: string;
  title: string;
  cell: (row: T) => ReactNode;
  /** Numbers stand to the right. */
  right?: boolean;
  /** In the narrow form: the card's heading, without its title. */
  head?: boolean;
  className?: string;
}

interface TableProps<T> {
  label: string;
  columns: readonly TableColumn<T>[];
  rows: readonly T[];
  rowKey: (row: T) => string;
  rowClass?: (row: T) => string;
  /** Cards on a narrow screen (the default), or a table that scrolls in its own box. */
  narrow?: "cards" | "scroll";
}

/** Roles are written out because the narrow form changes `display`, which takes them away in some browsers. */
export function Table<T>({ label, columns, rows, rowKey, rowClass, narrow = "cards" }: TableProps<T>): ReactNode {
  return (
    <div className={`table-box ${narrow}`} {...(narrow === "scroll" ? { tabIndex: 0, role: "region", "aria-label": label } : {})}>
      <table role="table" aria-label={label}>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((column) => (
              <th key={column.key} role="columnheader" scope="col" className={column.right ? "right" : undefined}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr key={rowKey(row)} role="row" className={rowClass?.(row)}>
              {columns.map((column) => (
                <td
                  key={column.key}
                  role="cell"
                  data-title={column.head ? undefined : column.title}
                  className={[column.right ? "right" : "", column.head ? "head" : "", column.className ?? ""].join(" ").trim() || undefined}
                >
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
