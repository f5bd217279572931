/** From a file to the statement that makes a table of it. */

import { identifier, literal } from "../statements/quote";

const READERS: readonly [RegExp, string][] = [
  [/\.(csv|tsv|txt)(\.gz)?$/i, "read_csv"],
  [/\.(json|ndjson|jsonl)(\.gz)?$/i, "read_json"],
  [/\.(parquet|pq)$/i, "read_parquet"],
];

export const ACCEPTED = ".csv,.tsv,.txt,.json,.ndjson,.jsonl,.parquet,.pq,.gz";

/** The function of SQL that reads a file of this name; undefined when none does. */
export const readerOf = (name: string): string | undefined => READERS.find(([ending]) => ending.test(name))?.[1];

/** `My flights (1).csv` as the name of a table. */
export function tableName(fileName: string): string {
  const stem = fileName.replace(/\.gz$/i, "").replace(/\.[^.]*$/, "");
  const name = stem.toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^_+|_+$/g, "").slice(0, 60);
  return /^[a-z]/.test(name) ? name : `t_${name || "upload"}`;
}

export const previewOf = (reader: string, path: string): string => `FROM ${reader}(${literal(path)}) LIMIT 50`;

export const creationOf = (table: string, reader: string, path: string): string =>
  `CREATE TABLE ${identifier(table)} AS FROM ${reader}(${literal(path)})`;
