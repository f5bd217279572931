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

/** Fields of a CSV text, line by line; of a text that was `cut` the last line is left out. */
export function parseCsv(text: string, cut = false): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let field = "";
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const letter = text[i] ?? "";
    if (quoted) {
      if (letter !== '"') field += letter;
      else if (text[i + 1] === '"') field += text[++i];
      else quoted = false;
    } else if (letter === '"' && field === "") quoted = true;
    else if (letter === ",") {
      row.push(field);
      field = "";
    } else if (letter === "\n" || (letter === "\r" && text[i + 1] === "\n")) {
      if (letter === "\r") i += 1;
      rows.push([...row, field]);
      row = [];
      field = "";
    } else field += letter;
  }
  if (!cut && (field !== "" || row.length > 0)) rows.push([...row, field]);
  return rows;
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
