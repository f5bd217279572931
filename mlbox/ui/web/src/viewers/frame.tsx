/** Tables and data sets: the first rows, the columns, how their values lie. */

import type { ReactNode } from "react";
import { asObject, type Cell, type Column } from "../api";
import { Grid } from "../components/grid";
import { Icon } from "../components/icon";
import { Link } from "../components/link";
import { ErrorNote } from "../components/notice";
import { StatisticsTable } from "../components/statistics";
import { number, plural } from "../format";
import { useStatement } from "../live/statement";
import type { ArtifactRow, MetadataRow } from "../rows";
import { artifactMetadata, datasetRows } from "../statements/artifacts";
import { columnsOf, rowsOf } from "./columns";
import { type ArtifactViewer, mediaType } from "./viewer";

/** Media types that `ml.dataset` reads. */
const READ_IN_SQL = /^(application\/vnd\.apache\.parquet|text\/csv|application\/json)$/;

export const viewer: ArtifactViewer = {
  order: 40,
  takes: (artifact) => artifact.kind === "dataset" || (artifact.kind === "table" && mediaType(artifact) !== "text/csv"),
  View: Frame,
};

function Frame({ artifact }: { artifact: ArtifactRow }): ReactNode {
  const answer = useStatement<MetadataRow>(artifactMetadata(artifact.id));
  if (answer.error) return <ErrorNote error={answer.error} />;
  const row = answer.rows?.[0];
  if (!row) return <p className="waiting">Loading …</p>;
  const known = asObject(row.metadata);
  const columns = columnsOf(known["schema"], known["stats"]);
  const rows = rowsOf(known["preview"]);
  const inSql = artifact.kind === "dataset" && READ_IN_SQL.test(mediaType(artifact));
  return (
    <div className="viewer">
      <p className="hint">
        {typeof known["rows"] === "number" && <>{plural(known["rows"], "row")} </>}
        {columns.length > 0 && <>{plural(columns.length, "column")} </>}
        {inSql && (
          <Link to={{ page: "sql", text: `${datasetRows(row.project, artifact.name, artifact.version)};` }} className="button small">
            <Icon name="sql" />
            Rows in the SQL page
          </Link>
        )}
      </p>
      {rows.length > 0 ? (
        <Rows columns={columns} rows={rows} total={known["rows"]} />
      ) : inSql ? (
        <Asked sql={datasetRows(row.project, artifact.name, artifact.version)} />
      ) : (
        <p className="hint">Nothing is known of its columns: it was logged as a file.</p>
      )}
      {columns.length > 0 && <StatisticsTable label={`Columns of ${artifact.name}`} columns={columns} />}
    </div>
  );
}

function Rows({ columns, rows, total }: { columns: readonly Column[]; rows: Cell[][]; total: Cell | undefined }): ReactNode {
  return (
    <figure>
      <figcaption>
        {typeof total === "number" && total <= rows.length ? "Rows" : `First ${number(rows.length)} rows`}
      </figcaption>
      <Grid label="First rows" columns={columns} rows={rows} />
    </figure>
  );
}

/** The rows of a data set that was logged as a file, read by the server. */
function Asked({ sql }: { sql: string }): ReactNode {
  const answer = useStatement<Record<string, Cell>>(sql);
  if (answer.error) return <ErrorNote error={answer.error} />;
  if (answer.rows === null) return <p className="waiting">Loading …</p>;
  const names = Object.keys(answer.rows[0] ?? {});
  const columns = names.map((name) => ({ name, type: typeof answer.rows?.[0]?.[name] === "number" ? "double" : "string" }));
  return <Rows columns={columns} rows={answer.rows.map((row) => names.map((name) => row[name] ?? null))} total={undefined} />;
}
