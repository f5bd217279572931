import type { ReactNode } from "react";
import { Link } from "../components/link";
import { Empty } from "../components/notice";
import { Panel } from "../components/panel";
import { shortId } from "../format";
import type { Answer } from "../live/statement";
import type { LineageRow } from "../rows";

/** What the run was made from, and what became of it. */
export function LineagePanel({ answer }: { answer: Answer<LineageRow> }): ReactNode {
  const rows = answer.rows ?? [];
  const before = rows.filter((row) => row.direction === "made from");
  const after = rows.filter((row) => row.direction === "became");
  return (
    <Panel title="Lineage" answers={[answer]}>
      {rows.length > 0 ? (
        <div className="lineage">
          <Side title="Made from" rows={before} />
          <span className="lineage-run" aria-hidden="true">
            this run
          </span>
          <Side title="Became" rows={after} />
        </div>
      ) : (
        <Empty title="No lineage recorded" statement="RUN train FROM flights.training;">
          <p>A run that reads a table, a feature vector or a query is linked to it, and so is what is made of the run.</p>
        </Empty>
      )}
    </Panel>
  );
}

function Side({ title, rows }: { title: string; rows: readonly LineageRow[] }): ReactNode {
  return (
    <div className="lineage-side">
      <h3>{title}</h3>
      {rows.length === 0 && <p className="faint-text">nothing</p>}
      <ul>
        {rows.map((row) => (
          <li key={`${row.kind} ${row.ref}`} className={`depth-${row.depth}`}>
            <span className="kind">{row.kind}</span> <Reference row={row} />
            {row.detail && <span className="faint-text"> {row.detail}</span>}
          </li>
        ))}
      </ul>
    </div>
  );
}

function Reference({ row }: { row: LineageRow }): ReactNode {
  if (row.kind === "run") return <Link to={{ page: "run", id: row.ref }}>{shortId(row.ref)}</Link>;
  const [, owner, artifact] = row.kind === "artifact" ? (/^([0-9a-f]{32})\/(.+)$/.exec(row.ref) ?? []) : [];
  if (owner && artifact) return <Link to={{ page: "run", id: owner, artifact }}>{artifact}</Link>;
  const [project, name] = row.ref.split(".", 2);
  if (row.kind === "endpoint" && project && name) return <Link to={{ page: "endpoint", project, name }}>{row.ref}</Link>;
  return <span className="ref">{row.ref}</span>;
}
