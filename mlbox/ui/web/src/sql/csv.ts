/** A result as CSV (RFC 4180), in the form in which the server streams it. */

import type { Cell, Column } from "../api";

export function cellText(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell === "string") return cell;
  return typeof cell === "object" ? JSON.stringify(cell) : String(cell);
}

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

const csvCell = (cell: Cell): string => (typeof cell === "boolean" ? (cell ? "True" : "False") : quoted(cellText(cell)));

export function toCsv(columns: readonly Column[], rows: readonly Cell[][]): string {
  const lines = [columns.map((column) => quoted(column.name)), ...rows.map((row) => row.map(csvCell))];
  return lines.map((line) => `${line.join(",")}\r\n`).join("");
}

/** Have the browser save `parts` as a file. */
export function save(parts: BlobPart, name: string, type: string): void {
  const address = URL.createObjectURL(new Blob([parts], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
