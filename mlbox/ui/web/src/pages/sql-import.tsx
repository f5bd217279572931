/** A file that was dropped on the page: sent to the server, looked at, and made a table of by a statement that is shown. */

import { type ReactNode, useEffect, useId, useState } from "react";
import { type ErrorBody, problemOf, type Upload, uploadFile } from "../api";
import { Copy } from "../components/copy";
import { Grid } from "../components/grid";
import { Icon } from "../components/icon";
import { ErrorNote } from "../components/notice";
import { useRawStatement } from "../live/raw";
import { bytes } from "../format";
import { creationOf, previewOf, readerOf, tableName } from "../sql/files";

interface ImportProps {
  file: File;
  project: string;
  run: (text: string) => void;
  insert: (text: string) => void;
  close: () => void;
}

export function Import({ file, project, run, insert, close }: ImportProps): ReactNode {
  const reader = readerOf(file.name);
  const [upload, setUpload] = useState<Upload | null>(null);
  const [error, setError] = useState<ErrorBody | null>(
    reader ? null : { code: "page", message: `${file.name} is of no known format.`, hint: "CSV, TSV, JSON, NDJSON and Parquet can be read." },
  );
  const [name, setName] = useState(() => tableName(file.name));
  const field = useId();

  useEffect(() => {
    if (!reader) return;
    const abort = new AbortController();
    uploadFile(file, abort.signal).then(setUpload, (problem: unknown) => {
      if (!abort.signal.aborted) setError(problemOf(problem));
    });
    return () => abort.abort();
  }, [file, reader]);

  const preview = useRawStatement(upload && reader ? previewOf(reader, upload.path) : null, project);
  const statement = upload && reader ? creationOf(name, reader, upload.path) : null;
  return (
    <section className="panel import" aria-label={`Import of ${file.name}`}>
      <header className="panel-head">
        <h2>Import {file.name}</h2>
        <span className="panel-note" role="status">
          {upload ? `${bytes(upload.size)}, uploaded` : error ? "" : `Uploading ${bytes(file.size)} …`}
        </span>
        <div className="panel-actions">
          <button type="button" className="button small" onClick={close}>
            <Icon name="close" />
            Close
          </button>
        </div>
      </header>
      {error && <ErrorNote error={error} />}
      {preview.error && <ErrorNote error={preview.error} />}
      {preview.result && (
        <>
          <p className="hint">The first {preview.result.rows.length} rows, as the server reads them:</p>
          <Grid label={`Preview of ${file.name}`} columns={preview.result.columns} rows={preview.result.rows} />
        </>
      )}
      {statement && (
        <>
          <div className="import-name">
            <label htmlFor={field}>Table</label>
            <input id={field} type="text" value={name} spellCheck={false} onChange={(event) => setName(event.target.value)} />
          </div>
          <pre tabIndex={0}>{`${statement};`}</pre>
          <div className="sql-actions">
            <button
              type="button"
              className="button primary"
              disabled={name.trim() === "" || preview.error !== null}
              onClick={() => {
                run(`${statement};\nFROM ${statement.slice("CREATE TABLE ".length).split(" AS FROM ")[0]} LIMIT 100`);
                close();
              }}
            >
              Create the table
            </button>
            <button
              type="button"
              className="button"
              onClick={() => {
                insert(`${statement};\n`);
                close();
              }}
            >
              Put it into the editor
            </button>
            <Copy text={`${statement};`} label="Copy statement" />
          </div>
        </>
      )}
    </section>
  );
}
