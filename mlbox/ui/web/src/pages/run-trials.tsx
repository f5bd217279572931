import type { ReactNode } from "react";
import { ParallelChart, type ParallelRow } from "../charts/parallel";
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
const DRAWN_METRICS = 2;

interface TrialsProps {
  trials: Answer<RunRow>;
  best: string | null;
  /** What is said of the sweep's outcome; it names the metric that was searched for. */
  outcome: string | null;
}

/** The trials of a sweep side by side; of parameters only those that differ. */
export function TrialsPanel({ trials, best, outcome }: TrialsProps): ReactNode {
  const rows = trials.rows ?? [];
  const parameters = varying(rows.map((run) => new Map(entries(run.params)))).slice(0, PARAMETERS);
  const measured = [...new Set(rows.flatMap((run) => entries(run.metrics).map(([name]) => name)))].sort();
  const metrics = soughtFirst(measured, outcome).slice(0, METRICS);
  const value = (of: RunRow["params"], name: string): string => {
    const found = entries(of).find(([key]) => key === name);
    return found ? short(found[1]) : "–";
  };
  const drawn: ParallelRow[] = rows
    .filter((run) => entries(run.metrics).length > 0)
    .map((run) => ({
      key: run.id,
      label: run.name ?? shortId(run.id),
      strong: run.id === best,
      values: [...parameters.map((name) => plain(run.params, name)), ...metrics.slice(0, DRAWN_METRICS).map((name) => plain(run.metrics, name))],
    }));
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
      {drawn.length > 1 && parameters.length > 0 && metrics.length > 0 && (
        <ParallelChart title="Parameters and metrics of the trials" axes={[...parameters, ...metrics.slice(0, DRAWN_METRICS)]} rows={drawn} />
      )}
      <Table label="Trials" columns={columns} rows={rows} rowKey={(run) => run.id} rowClass={(run) => (run.id === best ? "best" : "")} />
    </Panel>
  );
}

/** `best of 3: trial-1, auc = 0.77` puts auc before the others. */
export function soughtFirst(metrics: readonly string[], outcome: string | null): string[] {
  const sought = metrics.find((name) => outcome?.includes(`, ${name} = `));
  return sought === undefined ? [...metrics] : [sought, ...metrics.filter((name) => name !== sought)];
}

/** A value that an axis can place: a number, or its words. */
function plain(of: RunRow["params"], name: string): number | string | null {
  const found = entries(of).find(([key]) => key === name)?.[1];
  if (found === undefined || found === null) return null;
  return typeof found === "number" || typeof found === "string" ? found : JSON.stringify(found);
}

/** Names whose values are not the same in all. */
export function varying(rows: readonly ReadonlyMap<string, unknown>[]): string[] {
  const names = [...new Set(rows.flatMap((row) => [...row.keys()]))].sort();
  return names.filter((name) => new Set(rows.map((row) => JSON.stringify(row.get(name)))).size > 1);
}
