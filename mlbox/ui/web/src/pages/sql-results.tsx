/** What the statements of a script gave, one below the other. */

import { type ReactNode, useEffect, useState } from "react";
import { ApiError, csvOf, type StatementResult } from "../api";
import { Copy } from "../components/copy";
import { Grid } from "../components/grid";
import { Icon } from "../components/icon";
import { ErrorNote } from "../components/notice";
import { State } from "../components/state";
import { duration, milliseconds, plural } from "../format";
import { save, toCsv } from "../sql/csv";
import type { Item } from "../sql/script";

export function Results({ items }: { items: readonly Item[] }): ReactNode {
  return (
    <ol className="results" aria-label="Results">
      {items.map((item, index) => (
        <li key={item.key} className="panel result">
          <ItemView item={item} number={index + 1} of={items.length} />
        </li>
      ))}
    </ol>
  );
}

const oneLine = (text: string): string => text.replace(/\s+/g, " ").slice(0, 200);

function ItemView({ item, number, of }: { item: Item; number: number; of: number }): ReactNode {
  const { result, error } = item;
  return (
    <>
      <header className="result-head">
        {of > 1 && <span className="result-number">{number}</span>}
        <code title={item.statement.text}>{oneLine(item.statement.text)}</code>
        {result ? null : <State state={item.state} />}
        <span className="panel-note" role="status">
          {item.state === "running" && <Running item={item} />}
          {result && `${said(result)}, ${milliseconds(result.elapsed_ms)}`}
        </span>
        {result?.columns && <ResultActions result={result} item={item} />}
      </header>
      {error && error.code !== "cancelled" && <ErrorNote error={error} />}
      {error?.code === "cancelled" && <p className="hint">{error.message}</p>}
      {result?.columns && result.rows.length > 0 && (
        <Grid label={`Rows of statement ${number}`} columns={result.columns} rows={result.rows} />
      )}
      {result?.columns && result.rows.length === 0 && (
        <p className="hint">No rows. Columns: {result.columns.map((column) => column.name).join(", ")}</p>
      )}
    </>
  );
}

/** The server's line; of rows, their number as people read it. */
function said(result: StatementResult): string {
  if (!result.columns) return result.message;
  return result.truncated ? `the first ${plural(result.row_count, "row")}` : plural(result.row_count, "row");
}

function Running({ item }: { item: Item }): ReactNode {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  return (
    <span className="progress">
      {item.progress !== null && <progress value={item.progress} aria-label="Progress" />}
      {duration(Math.max(0, now - item.startedAt))}
    </span>
  );
}

function ResultActions({ result, item }: { result: StatementResult; item: Item }): ReactNode {
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  // Only a query may be asked for a second time.
  const all = result.truncated && result.statement === "SQL" && /^\s*(select|from|with|values|table)\b/i.test(item.statement.text);
  const downloadAll = async (): Promise<void> => {
    setBusy(true);
    setProblem("");
    try {
      save(await csvOf(item.statement.text, item.project), "result.csv", "text/csv");
    } catch (error) {
      setProblem(error instanceof ApiError ? error.body.message : "The download broke off.");
    }
    setBusy(false);
  };
  return (
    <div className="panel-actions">
      {problem && <span role="alert">{problem}</span>}
      <Copy text={() => toCsv(result.columns, result.rows)} label="Copy CSV" />
      <button type="button" className="button small" onClick={() => save(toCsv(result.columns, result.rows), "result.csv", "text/csv")}>
        <Icon name="download" />
        CSV
      </button>
      {all && (
        <button type="button" className="button small" disabled={busy} title="Runs the query again, without a limit" onClick={() => void downloadAll()}>
          <Icon name="download" />
          {busy ? "Downloading …" : "All rows"}
        </button>
      )}
    </div>
  );
}
