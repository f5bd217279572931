/** The list of runs, newest first, with the trials of a sweep folded under it. */

import { type ReactNode, useEffect, useState } from "react";
import { Choice } from "../components/choice";
import { Empty, ErrorNote } from "../components/notice";
import { Panel } from "../components/panel";
import { useStatement } from "../live/statement";
import { useQuery } from "../router";
import type { RunListRow, RunRow, StateCount } from "../rows";
import { countRuns, LIVE_STATES, listRuns, listTrials, PAGE_SIZE, RUN_STATES, type RunFilter } from "../statements/runs";
import { RunTable, type ListedRun } from "./run-table";

const FIRST_RUN = `CREATE FUNCTION train FROM 'train.py' REQUIREMENTS ('scikit-learn');
RUN train FROM (SELECT * FROM my_table) WITH (learning_rate = 0.1);`;
const EVENTS = ["run.", "project."];
const LIVE_MS = 3000;

export function RunsPage({ project }: { project: string }): ReactNode {
  const [state, setState] = useQuery("state");
  const [search, setSearch] = useQuery("search");
  const [pageText, setPage] = useQuery("page");
  const [fold, setFold] = useQuery("fold");
  const page = Math.max(0, (Number.parseInt(pageText, 10) || 1) - 1);
  const filter: RunFilter = { project, state, search };
  const open = fold.split(",").filter((id) => /^[0-9a-z-]+$/i.test(id));

  // What runs now may change without an event (progress, metrics), so it is looked at now and then.
  const [busy, setBusy] = useState(false);
  const fresh = { events: EVENTS, every: busy ? LIVE_MS : undefined };
  const runs = useStatement<RunListRow>(listRuns(filter, page), fresh);
  const counts = useStatement<StateCount>(countRuns(filter), fresh);
  const trials = useStatement<RunRow>(open.length > 0 ? listTrials(open) : null, fresh);
  const rows = runs.rows ?? [];
  const anyLive = rows.some((run) => (LIVE_STATES as readonly string[]).includes(run.state));
  useEffect(() => setBusy(anyLive), [anyLive]);

  const total = (counts.rows ?? []).reduce((sum, row) => sum + (state === "" || row.state === state ? row.n : 0), 0);
  const filtered = state !== "" || search !== "" || project !== "";
  const toggle = (id: string): void =>
    setFold((open.includes(id) ? open.filter((other) => other !== id) : [...open, id]).join(","));

  return (
    <Panel
      title="Runs"
      level="h1"
      className="page-panel"
      answers={[runs, counts, ...(trials.sql ? [{ ...trials, error: null, loading: false }] : [])]}
      note={counts.rows && `${total.toLocaleString("en-US")} ${total === 1 ? "run" : "runs"}`}
    >
      <Filters
        state={state}
        counts={counts.rows ?? []}
        search={search}
        onState={(next) => setState(next, ["page"])}
        onSearch={(next) => setSearch(next, ["page"])}
      />
      {trials.error && <ErrorNote error={trials.error} retry={trials.reload} />}
      {rows.length > 0 ? (
        <RunTable rows={listed(rows, open, trials.rows ?? [])} open={open} onFold={toggle} showProject={project === ""} />
      ) : filtered || page > 0 ? (
        <Empty title="No run matches">
          <p>
            <button
              type="button"
              className="button"
              onClick={() => {
                setState("", ["search", "page", "project"]);
              }}
            >
              Show all runs
            </button>
          </p>
        </Empty>
      ) : (
        <Empty title="No runs yet" statement={FIRST_RUN}>
          <p>
            A run is one call of a function: its parameters, metrics, pictures, models and log are kept. Register a function and run it, in{" "}
            <code>mlbox sql</code> or any SQL client.
          </p>
        </Empty>
      )}
      <Pages page={page} total={total} shown={rows.length} onPage={(next) => setPage(next === 0 ? "" : String(next + 1))} />
    </Panel>
  );
}

/** Parents with their open trials below them. */
function listed(runs: readonly RunListRow[], open: readonly string[], trials: readonly RunRow[]): ListedRun[] {
  return runs.flatMap((run): ListedRun[] => {
    const below = open.includes(run.id) ? trials.filter((trial) => trial.parent_id === run.id) : [];
    return [
      { run, trials: run.trials ?? 0, failed: run.failed_trials ?? 0, depth: 0, best: false },
      ...below.map((trial) => ({ run: trial, trials: 0, failed: 0, depth: 1 as const, best: trial.id === run.best_trial })),
    ];
  });
}

interface FilterProps {
  state: string;
  counts: readonly StateCount[];
  search: string;
  onState: (state: string) => void;
  onSearch: (search: string) => void;
}

function Filters({ state, counts, search, onState, onSearch }: FilterProps): ReactNode {
  const [text, setText] = useState(search);
  useEffect(() => setText(search), [search]);
  useEffect(() => {
    if (text === search) return;
    const timer = setTimeout(() => onSearch(text), 250);
    return () => clearTimeout(timer);
  }, [text, search, onSearch]);
  const present = RUN_STATES.filter((name) => name === state || counts.some((row) => row.state === name));
  const countOf = (name: string): number => counts.find((row) => row.state === name)?.n ?? 0;
  return (
    <div className="filters">
      <label className="search">
        <span className="unseen">Search by name, function or id</span>
        <input type="search" value={text} placeholder="Name, function or id" onChange={(event) => setText(event.target.value)} />
      </label>
      <Choice
        label="State"
        value={state}
        options={[
          { value: "", label: "all" },
          ...present.map((name) => ({ value: name as string, label: `${name} ${countOf(name).toLocaleString("en-US")}` })),
        ]}
        onChange={onState}
      />
    </div>
  );
}

function Pages(props: { page: number; total: number; shown: number; onPage: (page: number) => void }): ReactNode {
  const { page, total, shown, onPage } = props;
  if (total <= PAGE_SIZE && page === 0) return null;
  const first = page * PAGE_SIZE + 1;
  return (
    <nav className="pages" aria-label="Pages of the list">
      <button type="button" className="button" disabled={page === 0} onClick={() => onPage(page - 1)}>
        Newer
      </button>
      <span>{shown > 0 ? `${first.toLocaleString("en-US")}–${(first + shown - 1).toLocaleString("en-US")} of ${total.toLocaleString("en-US")}` : ""}</span>
      <button type="button" className="button" disabled={(page + 1) * PAGE_SIZE >= total} onClick={() => onPage(page + 1)}>
        Older
      </button>
    </nav>
  );
}
