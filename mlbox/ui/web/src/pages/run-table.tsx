import type { ReactNode } from "react";
import { asObject, type Cell } from "../api";
import { Icon } from "../components/icon";
import { Link } from "../components/link";
import { Nothing } from "../components/nothing";
import { Pairs } from "../components/pairs";
import { State } from "../components/state";
import { Table, type TableColumn } from "../components/table";
import { Ago, Lasting } from "../components/time";
import { plural, shortId } from "../format";
import type { RunRow } from "../rows";
import { LIVE_STATES } from "../statements/runs";

export interface ListedRun {
  run: RunRow;
  trials: number;
  failed: number;
  depth: 0 | 1;
  best: boolean;
}

interface RunTableProps {
  rows: readonly ListedRun[];
  open: readonly string[];
  onFold: (id: string) => void;
  showProject: boolean;
}

export const isLive = (state: string): boolean => (LIVE_STATES as readonly string[]).includes(state);

/** Entries of a VARIANT of parameters or metrics, by name. */
export const entries = (value: Cell): [string, Cell][] =>
  Object.entries(asObject(value)).sort(([a], [b]) => a.localeCompare(b));

export function RunTable({ rows, open, onFold, showProject }: RunTableProps): ReactNode {
  const columns: TableColumn<ListedRun>[] = [
    { key: "state", title: "State", cell: ({ run }) => <RunState run={run} /> },
    { key: "name", title: "Name", head: true, className: "run-name", cell: (row) => <Name row={row} open={open} onFold={onFold} /> },
    ...(showProject ? [{ key: "project", title: "Project", cell: ({ run }: ListedRun) => run.project }] : []),
    {
      key: "function",
      title: "Function",
      cell: ({ run }) => (run.function === null ? <Nothing /> : `${run.function}${run.function_version === null ? "" : `@${run.function_version}`}`),
    },
    { key: "started", title: "Started", className: "nowrap", cell: ({ run }) => <Ago time={run.started_at ?? run.created_at} /> },
    {
      key: "duration",
      title: "Duration",
      right: true,
      className: "nowrap",
      cell: ({ run }) => <Lasting ms={run.duration_ms} since={run.started_at} going={isLive(run.state)} />,
    },
    { key: "metrics", title: "Metrics", className: "wide", cell: ({ run }) => <Pairs values={entries(run.metrics)} /> },
    { key: "params", title: "Parameters", className: "wide", cell: ({ run }) => <Pairs values={entries(run.params)} /> },
  ];
  return (
    <Table
      label="Runs"
      columns={columns}
      rows={rows}
      rowKey={({ run }) => run.id}
      rowClass={({ depth, best }) => `${depth === 1 ? "child" : ""} ${best ? "best" : ""}`.trim()}
    />
  );
}

function Name({ row, open, onFold }: { row: ListedRun; open: readonly string[]; onFold: (id: string) => void }): ReactNode {
  const { run, trials, failed, best } = row;
  const isOpen = open.includes(run.id);
  return (
    <span className="name-line">
      <Link to={{ page: "run", id: run.id }}>{run.name ?? shortId(run.id)}</Link>
      {best && <Best />}
      {trials > 0 && (
        <button type="button" className="fold" aria-expanded={isOpen} onClick={() => onFold(run.id)}>
          <Icon name="fold" />
          {plural(trials, "trial")}
          {failed > 0 && `, ${failed} failed`}
        </button>
      )}
    </span>
  );
}

export const Best = (): ReactNode => (
  <span className="best-mark">
    <span aria-hidden="true">★</span> best
  </span>
);

export function RunState({ run }: { run: Pick<RunRow, "state" | "progress"> }): ReactNode {
  const percent = run.state === "running" && run.progress !== null ? Math.round(run.progress * 100) : null;
  return (
    <span className="run-state">
      <State state={run.state} />
      {percent !== null && (
        <span className="progress">
          <progress max={100} value={percent} aria-label="Progress" /> {percent} %
        </span>
      )}
    </span>
  );
}
