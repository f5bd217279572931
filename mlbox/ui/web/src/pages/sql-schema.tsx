/** The schema browser: projects, their tables and views, the views of ml with what their columns mean. */

import { type ReactNode, useMemo, useState } from "react";
import { Icon } from "../components/icon";
import { ErrorNote } from "../components/notice";
import { SqlButton } from "../components/sql-button";
import { useStatement } from "../live/statement";
import type { ColumnRow } from "../rows";
import { listColumns, relationName } from "../statements/schema";

interface Relation {
  name: string;
  isView: boolean;
  description: string | null;
  columns: ColumnRow[];
}

function grouped(rows: readonly ColumnRow[]): Map<string, Relation[]> {
  const projects = new Map<string, Relation[]>();
  for (const row of rows) {
    const relations = projects.get(row.project) ?? [];
    projects.set(row.project, relations);
    let relation = relations.at(-1);
    if (relation?.name !== row.relation) {
      relation = { name: row.relation, isView: row.is_view, description: row.view_description, columns: [] };
      relations.push(relation);
    }
    relation.columns.push(row);
  }
  return projects;
}

const fits = (row: ColumnRow, search: string): boolean =>
  row.relation.toLowerCase().includes(search) || row.name.toLowerCase().includes(search);

interface SchemaProps {
  project: string;
  /** Changes when a script is over. */
  turn: number;
  insert: (text: string) => void;
  run: (text: string) => void;
}

export function Schema({ project, turn, insert, run }: SchemaProps): ReactNode {
  const answer = useStatement<ColumnRow>(listColumns(), { events: ["project.", "feature_set.", "endpoint."], on: turn });
  const [search, setSearch] = useState("");
  const wanted = search.trim().toLowerCase();
  const projects = useMemo(
    () => grouped((answer.rows ?? []).filter((row) => wanted === "" || fits(row, wanted))),
    [answer.rows, wanted],
  );
  const names = [...projects.keys()].sort((a, b) => Number(b === project) - Number(a === project) || Number(a === "ml") - Number(b === "ml") || a.localeCompare(b));
  return (
    <div className="schema">
      <div className="schema-search">
        <label className="search">
          <span className="unseen">Search tables and columns</span>
          <input type="search" value={search} placeholder="Tables and columns" onChange={(event) => setSearch(event.target.value)} />
        </label>
        <SqlButton title="Tables and columns" statements={[listColumns()]} />
      </div>
      {answer.error && <ErrorNote error={answer.error} retry={answer.reload} />}
      {answer.loading && answer.rows === null && answer.error === null && <p className="waiting">Loading …</p>}
      {names.map((name) => (
        <details key={`${name} ${wanted !== ""}`} className="schema-project" open={wanted !== "" || name === project || name === "ml"}>
          <summary>
            <Icon name="fold" />
            {name} <span className="count">{projects.get(name)?.length}</span>
          </summary>
          <ul>
            {(projects.get(name) ?? []).map((relation) => (
              <RelationView key={relation.name} relation={relation} name={relationName(name, relation.name, project)} insert={insert} run={run} open={wanted !== "" && !relation.name.toLowerCase().includes(wanted)} />
            ))}
          </ul>
        </details>
      ))}
      {answer.rows !== null && names.length === 0 && <p className="hint">{wanted ? "Nothing has this name." : "There are no tables yet."}</p>}
    </div>
  );
}

interface RelationProps {
  relation: Relation;
  /** As a statement names it. */
  name: string;
  insert: (text: string) => void;
  run: (text: string) => void;
  open: boolean;
}

function RelationView({ relation, name, insert, run, open }: RelationProps): ReactNode {
  return (
    <li>
      <details open={open}>
        <summary title={relation.description ?? undefined}>
          <Icon name="fold" />
          <span className="relation-name">{relation.name}</span>
          {relation.isView && <span className="kind">view</span>}
        </summary>
        {relation.description && <p className="hint">{relation.description}</p>}
        <div className="schema-actions">
          <button type="button" className="button small" aria-label={`Show rows of ${name}`} onClick={() => run(`FROM ${name} LIMIT 100`)}>
            <Icon name="table" />
            Rows
          </button>
          <button type="button" className="button small" aria-label={`Insert ${name}`} onClick={() => insert(name)}>
            Insert name
          </button>
        </div>
        <dl className="schema-columns">
          {relation.columns.map((column) => (
            <div key={column.name}>
              <dt>
                <button type="button" title={`Insert ${column.name}`} onClick={() => insert(column.name)}>
                  {column.name}
                </button>
                <span className="type">{column.type.toLowerCase()}</span>
              </dt>
              {column.description && (
                <dd>
                  {column.description}
                  {column.unit ? ` (${column.unit})` : ""}
                </dd>
              )}
            </div>
          ))}
        </dl>
      </details>
    </li>
  );
}
