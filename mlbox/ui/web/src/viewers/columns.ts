/** What the catalog knows of a frame or of the training set of a model: columns and their statistics. */

import { asObject, type Cell, type Row } from "../api";

export interface ColumnFacts {
  name: string;
  type: string;
  stats: Row | null;
}

const listOf = (value: Cell | undefined): Cell[] => (Array.isArray(value) ? value : []);

/** Columns of `schema` (name, type), or those that have statistics where there is none. */
export function columnsOf(schema: Cell | undefined, stats: Cell | undefined): ColumnFacts[] {
  const known = asObject(stats);
  const named = listOf(schema).map((entry) => {
    const { name, type } = asObject(entry);
    return { name: String(name), type: type === undefined || type === null ? "" : String(type) };
  });
  const all = named.length > 0 ? named : Object.keys(known).map((name) => ({ name, type: "" }));
  return all.map((column) => ({ ...column, stats: column.name in known ? asObject(known[column.name]) : null }));
}

export const rowsOf = (value: Cell | undefined): Cell[][] => listOf(value).map(listOf);
export const numbersOf = (value: Cell | undefined): number[] => listOf(value).map(Number);
