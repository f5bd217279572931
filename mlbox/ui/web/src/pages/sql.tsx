/** The SQL page: an editor, the schema beside it, results below. It uses the doors that everybody has. */

import { type DragEvent, lazy, type ReactNode, Suspense, useMemo, useRef, useState } from "react";
import { completeSql, type ErrorBody } from "../api";
import { Select } from "../components/choice";
import { Copy } from "../components/copy";
import { Icon } from "../components/icon";
import { Empty } from "../components/notice";
import { addressOf } from "../router";
import type { Editor } from "../sql/editor";
import { ACCEPTED } from "../sql/files";
import { draft, keepDraft, remember } from "../sql/kept";
import { useScript } from "../sql/script";
import { split, type Statement, statementAt, toUnits } from "../sql/split";
import { History } from "./sql-history";
import { Import } from "./sql-import";
import { Results } from "./sql-results";
import { Schema } from "./sql-schema";

const SqlEditor = lazy(() => import("./sql-editor"));

const FIRST = `-- Ctrl+Enter runs the statement under the cursor, or what is selected.
SELECT name, state, created_at FROM ml.runs ORDER BY created_at DESC LIMIT 20;
`;
const LIMITS = ["1000", "10000", "100000"];

interface SqlPageProps {
  project: string;
  setProject: (name: string) => void;
}

export function SqlPage({ project, setProject }: SqlPageProps): ReactNode {
  const inUse = project || "default";
  const editor = useRef<Editor | null>(null);
  const initial = useMemo(() => new URLSearchParams(location.search).get("q") ?? draft() ?? FIRST, []);
  const text = useRef(initial);
  const [limit, setLimit] = useState("10000");
  const [turn, setTurn] = useState(0);
  const [file, setFile] = useState<File | null>(null);
  const [dragging, setDragging] = useState(false);
  const [showHistory, setShowHistory] = useState(false);
  const history = useRef<HTMLDialogElement>(null);
  const picker = useRef<HTMLInputElement>(null);

  const mark = (statement: Statement, error: ErrorBody): void => {
    // A text that was not in the editor has no place there.
    if (!error.where || text.current.slice(statement.from, statement.to) !== statement.text) return;
    const from = statement.from + toUnits(statement.text, error.where.offset);
    const word = /^[\w."]+|^\S/.exec(text.current.slice(from))?.[0] ?? "";
    const message = [error.message, error.hint].filter(Boolean).join("\n");
    editor.current?.mark({ from: word ? from : Math.max(0, from - 1), to: from + word.length, message });
  };
  const script = useScript({
    failed: mark,
    over: (last) => {
      setTurn((count) => count + 1);
      if (last !== inUse) setProject(last);
    },
  });

  const start = (statements: readonly Statement[]): void => {
    if (script.busy || statements.length === 0) return;
    editor.current?.mark(null);
    remember(statements.map((one) => `${one.text};`).join("\n"), inUse, new Date().toISOString());
    script.run(statements, inUse, Number(limit));
  };
  const runText = (wanted: string): void => start(split(wanted));
  const runHere = (): void => {
    const { from, to } = editor.current?.selection() ?? { from: 0, to: 0 };
    const whole = text.current;
    if (from === to) {
      const here = statementAt(whole, from);
      start(here ? [here] : []);
    } else {
      start(split(whole.slice(from, to)).map((one) => ({ ...one, from: one.from + from, to: one.to + from })));
    }
  };
  const runAll = (): void => start(split(text.current));
  const insert = (more: string): void => editor.current?.insert(more);

  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setDragging(false);
    const dropped = event.dataTransfer.files[0];
    if (dropped) setFile(dropped);
  };
  const carriesFiles = (event: DragEvent): boolean => event.dataTransfer.types.includes("Files");

  return (
    <div
      className={dragging ? "sql-page dragging" : "sql-page"}
      onDragOver={(event) => {
        if (!carriesFiles(event)) return;
        event.preventDefault();
        setDragging(true);
      }}
      onDragLeave={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setDragging(false);
      }}
      onDropCapture={(event) => {
        if (!carriesFiles(event)) return;
        event.stopPropagation();
        drop(event);
      }}
    >
      <div className="sql-work">
        <section className="panel editor-panel" aria-labelledby="sql-title">
          <header className="panel-head">
            <h1 id="sql-title">SQL</h1>
            <span className="panel-note">
              in project <strong>{inUse}</strong>
            </span>
            <div className="panel-actions">
              <button
                type="button"
                className="button small"
                onClick={() => {
                  setShowHistory(true);
                  history.current?.showModal();
                }}
              >
                <Icon name="history" />
                History
              </button>
              <Copy
                text={() => `${location.origin}${addressOf({ page: "sql", text: text.current }, project)}`}
                label="Copy link"
                icon="share"
              />
              <button type="button" className="button small" onClick={() => picker.current?.click()}>
                <Icon name="upload" />
                Upload
              </button>
              <input
                ref={picker}
                type="file"
                className="unseen"
                tabIndex={-1}
                aria-label="File to upload"
                accept={ACCEPTED}
                onChange={(event) => {
                  setFile(event.target.files?.[0] ?? null);
                  event.target.value = "";
                }}
              />
            </div>
          </header>
          <Suspense fallback={<div className="editor waiting">Loading the editor …</div>}>
            <SqlEditor
              initial={initial}
              editor={editor}
              actions={{
                run: runHere,
                runAll,
                changed: (next) => {
                  text.current = next;
                  keepDraft(next);
                },
                complete: (whole, position, signal) => completeSql(whole, position, inUse, signal),
              }}
            />
          </Suspense>
          <div className="editor-actions">
            <button type="button" className="button primary" disabled={script.busy} title="Ctrl+Enter: the statement under the cursor, or the selection" onClick={runHere}>
              <Icon name="running" />
              Run
            </button>
            <button type="button" className="button" disabled={script.busy} title="Ctrl+Shift+Enter" onClick={runAll}>
              Run all
            </button>
            <button type="button" className="button" disabled={!script.busy} onClick={script.cancel}>
              <Icon name="cancelled" />
              Cancel
            </button>
            <Select
              label="Rows"
              value={limit}
              options={LIMITS.map((value) => ({ value, label: `at most ${Number(value).toLocaleString("en-US")}` }))}
              onChange={setLimit}
            />
          </div>
        </section>
        {file && <Import key={`${file.name} ${file.lastModified}`} file={file} project={inUse} run={runText} insert={insert} close={() => setFile(null)} />}
        {script.items.length > 0 ? (
          <Results items={script.items} />
        ) : (
          !file && (
            <section className="panel">
              <Empty title="Results come here">
                <p>
                  <kbd>Ctrl</kbd> <kbd>Enter</kbd> runs the statement under the cursor or the selection, <kbd>Ctrl</kbd> <kbd>Shift</kbd>{" "}
                  <kbd>Enter</kbd> all of them, <kbd>Ctrl</kbd> <kbd>Space</kbd> completes. Drop a CSV, JSON or Parquet file here to make a table of it.
                </p>
              </Empty>
            </section>
          )
        )}
      </div>
      <aside className="panel sql-schema" aria-label="Tables">
        <details className="schema-fold" open={matchMedia("(min-width: 1101px)").matches}>
          <summary>
            <Icon name="fold" />
            <h2>Tables</h2>
          </summary>
          <Schema project={inUse} turn={turn} insert={insert} run={runText} />
        </details>
      </aside>
      <History
        dialog={history}
        open={showHistory}
        onClose={() => setShowHistory(false)}
        take={(next) => {
          editor.current?.replace(next);
          editor.current?.focus();
        }}
      />
      {dragging && <div className="drop-sign">Drop the file to import it</div>}
    </div>
  );
}
