import type { ReactNode } from "react";
import { Link } from "../components/link";
import { Panel } from "../components/panel";
import { Table, type TableColumn } from "../components/table";
import { Lasting } from "../components/time";
import { plural, short, shortId } from "../format";
import type { Answer } from "../live/statement";
import type { RunRow } from "../rows";
import { Best, entries, isLive, RunState } from "./run-table";

const METRICS = 6;
const PARAMETERS = 6;

/** The trials of a sweep side by side; of parameters only those that differ. */
export function TrialsPanel({ trials, best }: { trials: Answer<RunRow>; best: string | null }): ReactNode {
  const rows = trials.rows ?? [];
  const parameters = varying(rows.map((run) => new Map(entries(run.params)))).slice(0, PARAMETERS);
  const metrics = [...new Set(rows.flatMap((run) => entries(run.metrics).map(([name]) => name)))].sort().slice(0, METRICS);
  const value = (of: RunRow["params"], name: string): string => {
    const found = entries(of).find(([key]) => key === name);
    return found ? short(found[1]) : "–";
  };
  const columns: TableColumn<RunRow>[] = [
    {
      key: "name",
      title: "Trial",
      head: true,
      cell: (run) => (
        <span className="name-line">
          <Link to={{ page: "run", id: run.id }}>{run.name ?? shortId(run.id)}</Link>
          {run.id === best && <Best />}
        </span>
      ),
    },
    { key: "state", title: "State", cell: (run) => <RunState run={run} /> },
    ...parameters.map((name) => ({ key: `p.${name}`, title: name, right: true, cell: (run: RunRow) => value(run.params, name) })),
    ...metrics.map((name) => ({ key: `m.${name}`, title: name, right: true, className: "value", cell: (run: RunRow) => value(run.metrics, name) })),
    {
      key: "duration",
      title: "Duration",
      right: true,
      className: "nowrap",
      cell: (run) => <Lasting ms={run.duration_ms} since={run.started_at} going={isLive(run.state)} />,
    },
  ];
  return (
    <Panel title="Trials" answers={[trials]} note={plural(rows.length, "trial")}>
      <Table label="Trials" columns={columns} rows={rows} rowKey={(run) => run.id} rowClass={(run) => (run.id === best ? "best" : "")} />
    </Panel>
  );
}

/** Names whose values are not the same in all. */
export function varying(rows: readonly ReadonlyMap<string, unknown>[]): string[] {
  const names = [...new Set(rows.flatMap((row) => [...row.keys()]))].sort();
  return names.filter((name) => new Set(rows.map((row) => JSON.stringify(row.get(name)))).size > 1);
}
